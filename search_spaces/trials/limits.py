"""When a search ends: plain functions of its trials and its seconds, so that a resumed study decides as before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from optuna.trial import TrialState
from pydantic import Field

from search_spaces.study.fields import Count, Section
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome

UNBOUNDED = 10_000_000
"""The number of trials of a study that sets none: more than any search reaches."""

OUT_OF_TIME = "the time of the search (limits.minutes) was over"
"""Why such a trial is PRUNED."""

Minutes = Annotated[float, Field(gt=0, le=1e7, strict=True)]


@dataclass(frozen=True)
class Tally:
    """How far a search is.

    Args:
        proposed: trials so far.
        running: of them, those that have not ended.
        completed: of them, those that ended COMPLETE.
        epochs: trained by the trials that have ended.
        stale: trials that ended after the best one, by number.
        seconds: of search, over all runs.
    """

    proposed: int = 0
    running: int = 0
    completed: int = 0
    epochs: int = 0
    stale: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, trials: Sequence[Outcome], seconds: float, objective: Objective) -> Tally:
        """Count a study's trials, given by number.

        A trial that failed before its first epoch counts as one epoch, so that failures alone reach the limit, too;
        one that was never begun counts for nothing.
        """
        epochs = stale = 0
        best: float | None = None
        ended = [t for t in trials if t.state.is_finished()]
        for trial in ended:
            if trial.state is TrialState.PRUNED and not trial.epochs:
                continue
            epochs += max(1, trial.epochs)
            stale += 1
            if trial.complete and trial.value is not None and objective.better(trial.value, best):
                best, stale = trial.value, 0
        completed = sum(t.state is TrialState.COMPLETE for t in ended)
        return cls(len(trials), len(trials) - len(ended), completed, epochs, stale, seconds)


class Limits(Section):
    """When the search ends: at the limit that is reached first. The refit follows.

    A resumed study counts all of its runs together. When ``minutes`` are over, trials in training stop after their
    current epoch, and those that wait are not begun; both end as PRUNED. If no trial has completed by then, the best one
    on each worker still trains to its end, so that there is a result. ``epochs`` may be exceeded by less than one trial.
    """

    trials: Count | None = Field(default=None, description="the same as search.trials")
    minutes: Minutes | None = Field(default=None, description="wall-clock time of the search; pauses do not count")
    epochs: Count | None = Field(default=None, description="epochs of all trials together")
    no_improvement: Count | None = Field(default=None, description="trials in a row that ended without a better value")

    @property
    def bound(self) -> bool:
        """Whether a study with these limits ends, also without a number of trials."""
        return not (self.minutes is None and self.epochs is None and self.no_improvement is None)

    @property
    def seconds(self) -> float:
        """``minutes`` in seconds; infinite without."""
        return math.inf if self.minutes is None else 60 * self.minutes

    def out_of_time(self, seconds: float) -> bool:
        """Whether ``minutes`` are over."""
        return seconds >= self.seconds

    def room(self, tally: Tally, trials: int, epochs: int) -> int:
        """How many trials may be proposed now.

        Args:
            tally: how far the search is.
            trials: most trials in all.
            epochs: of an undisturbed trial; those that run are expected to need as many.
        """
        if self.out_of_time(tally.seconds) and tally.proposed:
            return 0
        room = trials - tally.proposed
        if self.epochs is not None:
            room = min(room, math.ceil((self.epochs - tally.epochs) / epochs) - tally.running)
        if self.no_improvement is not None:
            room = min(room, self.no_improvement - tally.stale - tally.running)
        return max(0, room)

    def reached(self, tally: Tally, trials: int) -> str | None:
        """What ended the search, in words that begin with the limit's key; None while trials run or more may come."""
        if tally.running:
            return None
        if tally.proposed >= trials:
            return f"search.trials: {'the only trial has' if trials == 1 else f'all {trials} trials have'} ended"
        if self.epochs is not None and tally.epochs >= self.epochs:
            return f"limits.epochs: {tally.epochs} epochs are trained, of {self.epochs}"
        if self.no_improvement is not None and tally.stale >= self.no_improvement:
            return f"limits.no_improvement: {tally.stale} trials in a row brought no better value"
        if self.out_of_time(tally.seconds):
            return f"limits.minutes: {self.minutes:g} minutes of search are over"
        return None

    def words(self) -> str:
        """All limits but the number of trials, for people; empty without any."""
        said = [
            None if self.minutes is None else f"{self.minutes:g} min",
            None if self.epochs is None else f"{self.epochs} epochs",
            None if self.no_improvement is None else f"{self.no_improvement} trials without a better value",
        ]
        return ", ".join(text for text in said if text)
