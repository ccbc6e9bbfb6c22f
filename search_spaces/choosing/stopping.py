"""The early-stopping rules that a study file may name, each with its options; ``search_spaces.choosing.rungs`` applies them."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from search_spaces.choosing.rungs import Rule, rung_epochs
from search_spaces.errors import StudyError
from search_spaces.study.fields import Count, Factor, Section
from search_spaces.trials.outcome import MOST_RUNGS

USUAL_RUNGS = 20
"""How many rungs the median rule has at most where no interval is given."""


class Stopping(Section):
    """The options of one rule, and the rule that they make."""

    spacing: ClassVar[str]
    """The option that says how far apart the rungs are."""

    grace_period: Count = Field(1, description="epochs before a trial is judged for the first time")

    @abstractmethod
    def rule(self, epochs: int) -> Rule:
        """The rule for trials of so many epochs."""

    def check(self, where: str, epochs: int) -> None:
        """Check what depends on the trials' epochs; ``where`` are the keys that lead here.

        Raises:
            StudyError: if trials would end before their first rung, or if there are more rungs than a resume finds.
        """
        if self.grace_period >= epochs:
            raise StudyError(
                f"{where}.grace_period: must be below task_options.epochs ({epochs}), got {self.grace_period}"
            )
        rungs, spacing = len(self.rule(epochs).epochs), getattr(self, self.spacing)
        if rungs > MOST_RUNGS:
            raise StudyError(
                f"{where}.{self.spacing}: must make at most {MOST_RUNGS} rungs, got {spacing}: {rungs} rungs"
            )


class Asha(Stopping):
    """Asynchronous successive halving (ASHA): of the trials at a rung, the best 1/``reduction_factor`` go on.

    Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020. With results that come one
    at a time the decisions equal those of Ray Tune's ``ASHAScheduler``.
    """

    spacing: ClassVar[str] = "reduction_factor"
    reduction_factor: Factor = Field(
        3, description="one trial in this many passes a rung, and each rung is this many times later than the last"
    )

    def rule(self, epochs: int) -> Rule:
        """See :meth:`Stopping.rule`."""
        rungs = rung_epochs(self.grace_period, self.reduction_factor, epochs)
        return Rule(rungs, percentile=(1 - 1 / self.reduction_factor) * 100)


class Hyperband(Asha):
    """Several brackets of ASHA, each of which begins one rung later, so that slow starters get a chance.

    The brackets' shares of the trials are those of Li et al., "Hyperband", JMLR 2018, which give each about the same
    budget: reduction_factor^s / (s + 1), with s the rungs between the first and the last epoch.
    """

    brackets: Count | None = Field(None, description="number of brackets; by default as many as fit into the epochs")

    def rule(self, epochs: int) -> Rule:
        """See :meth:`Stopping.rule`."""
        most = self._most_brackets(epochs)
        weights = [self.reduction_factor**s / (s + 1) for s in reversed(range(most))][: self.brackets]
        return replace(super().rule(epochs), shares=tuple(weight / math.fsum(weights) for weight in weights))

    def check(self, where: str, epochs: int) -> None:
        """See :meth:`Stopping.check`."""
        super().check(where, epochs)
        most = self._most_brackets(epochs)
        if self.brackets is not None and self.brackets > most:
            raise StudyError(f"{where}.brackets: only {most} begin within {epochs} epochs, got {self.brackets}")

    def _most_brackets(self, epochs: int) -> int:
        """Hyperband's s_max + 1; a bracket that begins with the last epoch stops nobody."""
        return len(rung_epochs(self.grace_period, self.reduction_factor, epochs + 1))


class Median(Stopping):
    """A trial stops if its best value so far is worse than the median of the others at the same epoch.

    Source: Golovin et al., "Google Vizier", KDD 2017, in the form of Optuna's ``MedianPruner``: the others count with
    their values at this epoch, not with running averages as in the paper. Both of these look at completed trials only.
    Here every trial that has reached the epoch counts, stopped ones included, because the trials of a stack arrive
    together. A trial's best value so far is that at its rungs.
    """

    spacing: ClassVar[str] = "interval"
    min_trials: Count = Field(5, description="other trials that must have reached a rung before one is stopped there")
    interval: Count | None = Field(
        None, description=f"epochs between two rungs; by default at most {USUAL_RUNGS} rungs"
    )

    def rule(self, epochs: int) -> Rule:
        """See :meth:`Stopping.rule`."""
        interval = self.interval or math.ceil((epochs - self.grace_period) / USUAL_RUNGS)
        return Rule(tuple(range(self.grace_period, epochs, interval)), 50, self.min_trials, best_so_far=True)
