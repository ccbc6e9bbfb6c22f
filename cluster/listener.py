"""Who is told of a study as it runs."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome
from trainables.messages import Report


@dataclass(frozen=True)
class SearchInfo:
    """What a search is about to do.

    Args:
        study: its name.
        total, done: trials in all (None where only another limit ends the search), and those finished by an earlier run.
        workers: stacks of trials that can be trained at once.
        device: what each worker trains on, in words.
        objective: what is optimised, first of all.
        epochs: of an undisturbed trial.
        best: the best trial so far, of an earlier run.
        limits: what else ends the search, in words.
    """

    study: str
    total: int | None
    done: int
    workers: int
    device: str
    objective: Objective
    epochs: int
    best: Outcome | None = None
    limits: str = ""


class Listener:
    """The base of all listeners, which lets everything pass in silence."""

    def started(self, info: SearchInfo) -> None:
        """The search begins."""

    def leg_started(self, cohort: int, trials: int, epoch: int) -> None:
        """A worker is to train a stack of so many trials, which stands at an epoch."""

    def reported(self, report: Report) -> None:
        """A worker reported."""

    def trial_ended(self, outcome: Outcome) -> None:
        """A trial is finished."""

    def refit_progress(self, done: int, total: int) -> None:
        """So many epochs of the refit are done, of all its networks together."""

    def message(self, text: str) -> None:
        """Something worth a line."""
