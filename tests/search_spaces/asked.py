"""What every sampler is asked for, with restarts in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposal import Proposal
from search_spaces.trials.proposer import Proposer

PENDING = 3


def proposals(
    one: Study, folder: Path, outcome: Callable[[int, dict[str, Any]], Outcome], restart_at: tuple[int, ...] = ()
) -> list[dict[str, Any]]:
    """Configurations of all trials, up to ``PENDING`` at a time, with restarts after some of them.

    Args:
        one: the study.
        folder: for its journal.
        outcome: how a trial ends, by its number and configuration.
        restart_at: after how many proposals the process begins anew.
    """
    folder.mkdir(exist_ok=True)
    objectives = one.named_objectives or [Objective()]

    def proposer() -> Proposer:
        return Proposer(one, TrialDatabase(open_storage(folder / "trials.journal", None), one.name, objectives))

    current, pending, params = proposer(), [], []
    while asked := current.ask(1):
        (proposal,) = asked
        params.append(proposal.params)
        pending.append(proposal)
        if len(pending) == PENDING:
            first = pending.pop(0)
            current.tell(outcome(first.number, first.params))
        if len(params) in restart_at:
            current = proposer()
            assert left(current) == pending
    return params


def left(proposer: Proposer) -> list[Proposal]:
    """The trials that an interrupted run has left unfinished."""
    return [trial for wave in proposer.unfinished() for trial in wave if not proposer.finished(trial.number)]
