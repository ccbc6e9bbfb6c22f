"""Stopping trials that are worse than others at the same epoch, as a plain class: results in, decisions out.

A :class:`Rule` says when and against what; ``search_spaces.choosing.stopping`` makes those of ASHA, Hyperband and the median.
Results that come together (a cohort reaching a rung) are recorded first and judged afterwards, so the first to
arrive has no free pass.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.trials.objectives import Objective

GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples modulo 1 fill the unit interval more evenly than those of any other number."""


class Decision(enum.Enum):
    """What happens to a trial at a rung; the trainable acts on it."""

    CONTINUE = "continue"
    STOP = "stop"


def rung_epochs(grace_period: int, reduction_factor: float, max_epochs: int) -> tuple[int, ...]:
    """Epochs at which trials are judged: grace period x reduction factor^k, below ``max_epochs``.

    The last epoch itself is no rung: who gets there has finished.
    """
    epochs: list[int] = []
    milestone = float(grace_period)
    while milestone < max_epochs:
        epoch = math.ceil(milestone)
        if epoch < max_epochs and (not epochs or epoch > epochs[-1]):
            epochs.append(epoch)
        milestone *= reduction_factor
    return tuple(epochs)


@dataclass(frozen=True)
class Rule:
    """When trials are judged, and against what.

    Args:
        epochs: the rungs, ascending.
        percentile: of the other trials' values, 0 the worst and 100 the best, below which a trial stops.
        least: how many others must have a value at the rung, at least 1; until then everyone passes.
        best_so_far: a trial is judged by the best of its values at the rungs so far, not by the one at this rung.
        shares: of all trials in each bracket, adding up to 1. Bracket s is judged from rung s on, within itself.
    """

    epochs: tuple[int, ...]
    percentile: float
    least: int = 1
    best_so_far: bool = False
    shares: tuple[float, ...] = (1.0,)

    def brackets(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bracket of each trial: its number alone decides, so neither timing nor a resume can change it."""
        return np.searchsorted(np.cumsum(self.shares[:-1]), numbers * GOLDEN % 1, side="right")


class Rungs:
    """The values of all trials at all rungs of one study.

    Args:
        rule: when trials are judged, and against what.
        objective: what the values are of.
    """

    def __init__(self, rule: Rule, objective: Objective) -> None:
        self.rule = rule
        self.epochs = rule.epochs
        self._objective = objective
        self._recorded: dict[int, dict[int, float]] = {epoch: {} for epoch in self.epochs}

    def record(self, epoch: int, values: Mapping[int, float]) -> None:
        """Note results without judging: what a resumed study knows already. Other epochs are ignored."""
        if epoch in self._recorded:
            self._recorded[epoch].update(values)

    def report(self, epoch: int, values: Mapping[int, float]) -> dict[int, Decision]:
        """Record ``values`` (by trial number) at ``epoch``, then judge those trials.

        A trial stops if it is worse than the rule's percentile of all OTHER trials of its bracket at its rung, or if
        its value is not finite; such values count for nobody else. One that was recorded here before (it is running
        again after a kill) has passed already.
        """
        rung = self._recorded.get(epoch)
        if rung is None:
            return dict.fromkeys(values, Decision.CONTINUE)
        new = [number for number in values if number not in rung]
        rung.update(values)
        stopped = self._worse_than_cutoff(epoch, new)
        return {n: Decision.STOP if n in stopped else Decision.CONTINUE for n in values}

    def state(self) -> dict[int, dict[int, float]]:
        """Recorded values by epoch, then by trial number."""
        return {epoch: dict(values) for epoch, values in self._recorded.items()}

    def _worse_than_cutoff(self, epoch: int, numbers: list[int]) -> set[int]:
        rung = self._recorded[epoch]
        everyone = np.fromiter(rung, np.int64)
        scores = np.array([-self._objective.cost(value) for value in rung.values()])  # larger is better
        counts = np.isfinite(scores)
        brackets = self.rule.brackets(everyone)
        begun = self.epochs.index(epoch)
        worse = {number for number in numbers if not math.isfinite(rung[number])}
        for i in np.flatnonzero(np.isin(everyone, numbers) & counts & (brackets <= begun)):
            others = scores[counts & (brackets == brackets[i]) & (everyone != everyone[i])]
            if len(others) >= self.rule.least:
                score = self._best(int(everyone[i])) if self.rule.best_so_far else scores[i]
                if score < np.percentile(others, self.rule.percentile):
                    worse.add(int(everyone[i]))
        return worse

    def _best(self, number: int) -> float:
        """The best score of a trial at the rungs so far, where it is finite."""
        values = (rung.get(number, math.nan) for rung in self._recorded.values())
        return max(-self._objective.cost(value) for value in values if math.isfinite(value))
