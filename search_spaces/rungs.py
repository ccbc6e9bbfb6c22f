"""Asynchronous successive halving (ASHA) as a plain class: results in, decisions out.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020. With results that come one
at a time the decisions equal those of Ray Tune's ``ASHAScheduler``. Results that come together (a cohort reaching
a rung) are recorded first and judged afterwards, so the first to arrive has no free pass.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np


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


class Rungs:
    """The values of all trials at all rungs of one study.

    Args:
        grace_period: epochs before the first judgement, at least 1.
        reduction_factor: about 1/reduction_factor of the trials pass each rung; above 1.
        max_epochs: epochs of a trial that is never stopped.
        mode: whether small or large values are good.
    """

    def __init__(
        self,
        grace_period: int,
        reduction_factor: float,
        max_epochs: int,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        self.reduction_factor = reduction_factor
        self.epochs = rung_epochs(grace_period, reduction_factor, max_epochs)
        self._sign = 1.0 if mode == "max" else -1.0
        self._recorded: dict[int, dict[int, float]] = {epoch: {} for epoch in self.epochs}

    def record(self, epoch: int, values: Mapping[int, float]) -> None:
        """Note results without judging: what a resumed study knows already. Other epochs are ignored."""
        if epoch in self._recorded:
            self._recorded[epoch].update(values)

    def report(self, epoch: int, values: Mapping[int, float]) -> dict[int, Decision]:
        """Record ``values`` (by trial number) at ``epoch``, then judge those trials.

        A trial stops if it is worse than the (1 - 1/reduction_factor) quantile of all OTHER trials at its rung.
        One that was recorded here before (it is running again after a kill) has passed already.
        """
        rung = self._recorded.get(epoch)
        if rung is None:
            return dict.fromkeys(values, Decision.CONTINUE)
        passed = set(rung)
        rung.update(values)
        stopped = self._worse_than_cutoff(rung, [n for n in values if n not in passed])
        return {n: Decision.STOP if n in stopped else Decision.CONTINUE for n in values}

    def state(self) -> dict[int, dict[int, float]]:
        """Recorded values by epoch, then by trial number."""
        return {epoch: dict(values) for epoch, values in self._recorded.items()}

    def _worse_than_cutoff(self, rung: Mapping[int, float], numbers: list[int]) -> set[int]:
        scores = self._sign * np.fromiter(rung.values(), float)  # larger is better
        place = {number: i for i, number in enumerate(rung)}
        quantile = (1 - 1 / self.reduction_factor) * 100
        if len(scores) < 2:
            return set()
        return {n for n in numbers if scores[place[n]] < np.nanpercentile(np.delete(scores, place[n]), quantile)}
