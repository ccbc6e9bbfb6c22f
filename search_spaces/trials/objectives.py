"""What a study optimises: one objective or several, and which of several results no other beats."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from optuna.study import StudyDirection

from search_spaces.errors import StudyError, unknown

Mode = Literal["min", "max"]

COSTS = ("parameters", "seconds")
"""Objectives that are no metric: trained parameters of one network, and training time of the trial."""


class Objective(NamedTuple):
    """One thing to optimise.

    Args:
        name: as the study file has it: a validation metric, with or without ``val_`` before it, or one of ``COSTS``.
        mode: whether small or large values are good.
    """

    name: str = "loss"
    mode: Mode = "min"

    @classmethod
    def towards(cls, direction: StudyDirection, name: str = "loss") -> Objective:
        """The objective of an Optuna study."""
        return cls(name, "min" if direction is StudyDirection.MINIMIZE else "max")

    @property
    def metric(self) -> str:
        """The name under which trials report it."""
        return self.name.removeprefix("val_")

    @property
    def direction(self) -> StudyDirection:
        """The mode, as Optuna has it."""
        return StudyDirection.MINIMIZE if self.mode == "min" else StudyDirection.MAXIMIZE

    def cost(self, value: float | None) -> float:
        """The value as something to be minimised: what results are sorted by. NaN and None are worst of all."""
        if value is None or math.isnan(value):
            return math.inf
        return value if self.mode == "min" else -value

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value beats another, or nothing at all."""
        return than is None or self.cost(value) < self.cost(than)


def check_known(objectives: Iterable[Objective], metrics: Collection[str]) -> None:
    """Check the names against the metrics that trials report.

    Raises:
        StudyError: naming the valid names.
    """
    for objective in objectives:
        if objective.name not in COSTS and objective.metric not in metrics:
            valid = [*(f"val_{name}" for name in metrics), *COSTS]
            raise StudyError(f"objectives: {unknown('objective', objective.name, valid)}")


def front(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[int]:
    """The Pareto front: places of the points (N, objectives) that no other dominates.

    A point dominates another if it is at least as good in every objective and better in one; of equal points all are
    on the front or none.
    """
    costs = np.array([[o.cost(v) for o, v in zip(objectives, point, strict=True)] for point in values], dtype=float)
    costs = costs.reshape(len(values), len(objectives))
    return [i for i, cost in enumerate(costs) if not ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()]
