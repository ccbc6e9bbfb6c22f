"""What a study optimises: one objective or several, and which of several results no other beats."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from search_spaces.errors import StudyError, unknown
from search_spaces.trials.outcome import Outcome, State

Mode = Literal["min", "max"]

COSTS = ("parameters", "seconds")
"""Objectives that are no metric: trained parameters of one network, and training time of the trial."""


class Objective(NamedTuple):
    """One thing to optimise.

    Args:
        name: as the study file has it: a validation metric, with or without ``val_`` before it, or one of ``COSTS``.
        mode: whether small or large values are good.
    """

    name: str
    mode: Mode

    @property
    def metric(self) -> str:
        """The name under which trials report it."""
        return self.name.removeprefix("val_")


Objectives = Mode | Sequence[Objective]
"""The objectives of a study, the one that epochs are chosen by first; a mode alone stands for the loss."""


def listed(objectives: Objectives) -> list[Objective]:
    """Objectives as a list of at least one."""
    return [Objective("loss", objectives)] if isinstance(objectives, str) else list(objectives)


def check_known(objectives: Iterable[Objective], metrics: Collection[str]) -> None:
    """Check the names against the metrics that trials report.

    Raises:
        StudyError: naming the valid names.
    """
    for objective in objectives:
        if objective.name not in COSTS and objective.metric not in metrics:
            valid = [*(f"val_{name}" for name in metrics), *COSTS]
            raise StudyError(f"objectives: {unknown('objective', objective.name, valid)}")


def values_of(outcome: Outcome, objectives: Sequence[Objective]) -> list[float] | None:
    """A trial's value of each objective, all at the epoch that the first one chose.

    None without a value, or where another than the first is missing or not finite.
    """
    if outcome.value is None:
        return None
    measured = {**outcome.metrics, "seconds": outcome.seconds}
    others = [float(measured.get(objective.metric, math.nan)) for objective in objectives[1:]]
    return [float(outcome.value), *others] if all(map(math.isfinite, others)) else None


def judged(outcome: Outcome, objectives: Sequence[Objective]) -> Outcome:
    """The outcome, as failed where it is complete but lacks an objective: it could be compared with no other."""
    if outcome.state is not State.COMPLETE or len(objectives) < 2 or values_of(outcome, objectives) is not None:
        return outcome
    names = ", ".join(objective.name for objective in objectives)
    why = f"not every objective ({names}) is a finite number at epoch {outcome.best_epoch}"
    return replace(outcome, state=State.FAIL, reason=why)


def front(values: Sequence[Sequence[float]], modes: Sequence[Mode]) -> list[int]:
    """The Pareto front: places of the points (N, objectives) that no other dominates.

    A point dominates another if it is at least as good in every objective and better in one; of equal points all are
    on the front or none.
    """
    signs = [1.0 if mode == "min" else -1.0 for mode in modes]
    costs = np.array(values, dtype=float).reshape(len(values), len(modes)) * signs
    return [i for i, cost in enumerate(costs) if not ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()]
