"""A whole search in this process, without Ray: for comparisons that count epochs, not seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from cluster.prepared import Prepared
from cluster.recorder import Listener
from search_spaces.choosing.rungs import Decision, Rungs
from search_spaces.study.study import Study
from search_spaces.trials.cohorts import form_cohorts
from search_spaces.trials.database import TrialDatabase, memory_database
from search_spaces.trials.outcome import Outcome, State
from search_spaces.trials.proposer import Proposer
from trainables.cohort import Cohort
from trainables.plan import Data
from trainables.report import CohortReport
from trainables.shape import trial_shape
from trainables.stack.fused import Traces

CPU = torch.device("cpu")
WORKERS = 2
"""As many as two cores give a study, so that samplers which learn have as many trials pending."""


@dataclass
class Progress(Listener):
    """Counts the epochs of all trials, and notes when a completed one was better than all before."""

    epochs: int = 0
    steps: list[tuple[int, float]] = field(default_factory=list)

    def cohort_progress(self, report: CohortReport) -> None:
        """See :class:`Listener`."""
        self.note(sum(len(epochs) for epochs in report.epochs.values()), report.ended)

    def note(self, epochs: int, ended: Sequence[Outcome]) -> None:
        """So many epochs more, and the trials that ended with them."""
        self.epochs += epochs
        for outcome in ended:
            value = outcome.value
            better = value is not None and (not self.steps or value < self.steps[-1][1])
            if outcome.state is State.COMPLETE and value is not None and better:
                self.steps.append((self.epochs, value))


def search_here(study: Study, prepared: Prepared) -> tuple[TrialDatabase, Progress]:
    """A search in this process: the proposer's trials as cohorts one after the other, judged as a worker judges them."""
    proposer = Proposer(study, memory := memory_database(study.name, prepared.task.mode), prepared.task.mode)
    data, plan = Data.on(CPU, prepared.inputs, prepared.targets), prepared.plan()
    rounds, rungs = prepared.population, Rungs(**prepared.rungs) if prepared.rungs else None
    traces: Traces = {}
    progress = Progress()
    while proposals := proposer.ask(study.concurrency(WORKERS)):
        shaped = [(p, trial_shape(prepared.task, p.params, plan.splits, CPU)) for p in proposals]
        for formed in form_cohorts(shaped, workers=1):
            cohort = Cohort(prepared.task, data, plan, [(p.number, p.params) for p in formed.trials], traces)
            while cohort.live:
                values = {number: epoch.value for number, epoch in cohort.advance().items()}
                if rungs is not None:
                    judged = rungs.report(cohort.epoch, values)
                    cohort.stop(n for n in cohort.live if judged[n] is Decision.STOP)
                if rounds is not None and rounds.due(cohort.epoch):
                    living = {n: values[n] for n in cohort.live}
                    for move in rounds.moves(cohort.epoch, living, {n: cohort.params(n) for n in living}):
                        cohort.exploit(move.target, move.source, move.params)
                ended, cohort.ended = cohort.ended, []
                progress.note(len(values), ended)
                for outcome in ended:
                    proposer.tell(outcome)
    return memory, progress
