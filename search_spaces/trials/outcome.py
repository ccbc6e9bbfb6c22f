"""What became of a trial: the record that training hands to the trial database."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from search_spaces.choosing.population import Schedule

MOST_POINTS = 30
"""Points of a curve that are kept."""
MOST_RUNGS = MOST_POINTS - 3
"""Rungs that are sure to be among them, beside the curve's two ends and its best epoch."""


class State(enum.Enum):
    """How a trial ended; the names are Optuna's."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Epoch:
    """One epoch of one trial.

    Args:
        epoch: from 1.
        value: of the study's metric, mean over members.
        train_loss: mean over members of the mean over rows, dropout included.
        lr: learning rate of the first member at the end of the epoch.
        metrics: validation loss and metrics, means over members.
        folds: the study's metric of each member.
    """

    epoch: int
    value: float
    train_loss: float
    lr: float
    metrics: Mapping[str, float]
    folds: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """The end of one trial.

    Args:
        number: the trial's number in its study.
        state: how it ended.
        value: of the study's metric, a mean over folds: of the best epoch, or of the last if it was pruned; or None.
        curve: (epoch, metric) pairs from the first epoch on; epochs count from 1.
        best_epoch: the epoch of ``value``.
        metrics: all metrics at that epoch, plus ``kfold_best`` and ``parameters``, those trained of one network.
        reason: of a failed trial, or of one that a limit stopped: why, in one line.
        seconds: its share of its cohort's training time.
        schedule: the hyperparameters that the network of ``best_epoch`` was trained with, where they changed.
    """

    number: int
    state: State
    value: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    best_epoch: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    seconds: float = 0.0
    schedule: Schedule = ()

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return self.curve[-1][0] if self.curve else 0

    def attributes(self) -> dict[str, str | int | float | None]:
        """What is kept beside value and curve, as Optuna user attributes."""
        kept: dict[str, str | int | float | None] = {"epochs": self.epochs, "seconds": round(self.seconds, 4)}
        if self.best_epoch is not None:
            kept["best_epoch"] = self.best_epoch
        if self.reason is not None:
            kept["reason"] = self.reason
        if self.schedule:
            kept["schedule"] = json.dumps(self.schedule)
        return kept | dict(self.metrics)


def thin(curve: tuple[tuple[int, float], ...], keep: frozenset[int], most: int = MOST_POINTS) -> dict[int, float]:
    """At most ``most`` points of a curve, evenly spread, its ends and the epochs in ``keep`` among them."""
    if len(curve) <= most:
        return dict(curve)
    wanted = [i for i, (epoch, _) in enumerate(curve) if epoch in keep][: most - 2]
    free = most - len(wanted)
    spread = {round(i * (len(curve) - 1) / (free - 1)) for i in range(free)}
    return dict(curve[i] for i in sorted(spread.union(wanted)))


def schedule_of(trial: FrozenTrial) -> Schedule:
    """The hyperparameters that a trial's best network was trained with, where they changed; else nothing."""
    return tuple((int(epoch), dict(params)) for epoch, params in json.loads(trial.user_attrs.get("schedule", "[]")))
