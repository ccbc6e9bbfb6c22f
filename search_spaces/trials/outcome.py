"""The record of a trial: what training hands to the trial database, and what is read back from it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search_spaces.choosing.population import Schedule
from search_spaces.trials.objectives import Objective

MOST_POINTS = 30
"""How many points of a learning curve the database keeps at most."""
MOST_RUNGS = MOST_POINTS - 3
"""How many rungs are sure to be among them: the curve's two ends and its best epoch take the other places."""

EPOCHS, SECONDS, BEST_EPOCH, REASON, SCHEDULE = "epochs", "seconds", "best_epoch", "reason", "schedule"
WAVE = "wave"
ATTRIBUTES = (EPOCHS, SECONDS, BEST_EPOCH, REASON, SCHEDULE)
"""Optuna user attributes of a trial that are not metrics; ``WAVE`` is one more, see ``trials.proposer``."""


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
    """What is known of one trial: the one place that knows how the trial database keeps it.

    Args:
        number: the trial's number in its study.
        state: how it ended, or RUNNING.
        value: of the study's first objective, a mean over folds: of the best epoch, or of the last if it was pruned;
            None where there is none.
        curve: (epoch, value) pairs from the first epoch on; epochs count from 1. From the database it is thinned.
        best_epoch: the epoch of ``value``.
        metrics: all metrics at that epoch, plus ``kfold_best`` and ``parameters``, those trained of one network.
        reason: of a failed trial, or of one that a limit stopped: why, in one line.
        seconds: its share of its cohort's training time.
        schedule: the hyperparameters that the network of ``best_epoch`` was trained with, where they changed.
    """

    number: int
    state: TrialState
    value: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    best_epoch: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    seconds: float = 0.0
    schedule: Schedule = ()

    @classmethod
    def of(cls, trial: FrozenTrial) -> Outcome:
        """Read a trial of a database.

        A kill may have come as the trial was being finished: where it is still RUNNING then, the last point of its curve
        is left out, since it may have been stopped there.
        """
        noted = trial.user_attrs
        torn = None if trial.state.is_finished() else noted.get(EPOCHS)
        return cls(
            number=trial.number,
            state=trial.state,
            value=trial.values[0] if trial.values else None,
            curve=tuple(sorted((e, v) for e, v in trial.intermediate_values.items() if e != torn)),
            best_epoch=noted.get(BEST_EPOCH),
            metrics={k: float(v) for k, v in noted.items() if k not in ATTRIBUTES and k != WAVE},
            reason=noted.get(REASON),
            seconds=float(noted.get(SECONDS, 0.0)),
            schedule=tuple((int(epoch), dict(params)) for epoch, params in json.loads(noted.get(SCHEDULE, "[]"))),
        )

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return self.curve[-1][0] if self.curve else 0

    @property
    def complete(self) -> bool:
        """Whether the trial reached its end undisturbed, with a value."""
        return self.state is TrialState.COMPLETE and self.value is not None

    def attributes(self) -> dict[str, Any]:
        """What is kept beside value and curve, as Optuna user attributes."""
        kept: dict[str, Any] = {EPOCHS: self.epochs, SECONDS: round(self.seconds, 4)}
        if self.best_epoch is not None:
            kept[BEST_EPOCH] = self.best_epoch
        if self.reason is not None:
            kept[REASON] = self.reason
        if self.schedule:
            kept[SCHEDULE] = json.dumps(self.schedule)
        return kept | dict(self.metrics)

    def values(self, objectives: Sequence[Objective]) -> list[float] | None:
        """The value of each objective, all at the epoch that the first one chose.

        None without a value, or where another than the first is missing or not finite.
        """
        if self.value is None:
            return None
        measured = {**self.metrics, SECONDS: round(self.seconds, 4)}  # as it is kept
        others = [float(measured.get(objective.metric, math.nan)) for objective in objectives[1:]]
        return [float(self.value), *others] if all(map(math.isfinite, others)) else None

    def judged(self, objectives: Sequence[Objective]) -> Outcome:
        """The record as it is kept: a complete trial that lacks an objective has failed, since nothing compares to it."""
        if self.state is not TrialState.COMPLETE or len(objectives) < 2 or self.values(objectives) is not None:
            return self
        names = ", ".join(objective.name for objective in objectives)
        why = f"not every objective ({names}) is a finite number at epoch {self.best_epoch}"
        return replace(self, state=TrialState.FAIL, reason=why)

    def points(self, keep: Collection[int]) -> dict[int, float]:
        """The points of the curve that are kept, those at the epochs in ``keep`` and at the best epoch among them."""
        return thin(self.curve, {*keep} if self.best_epoch is None else {*keep, self.best_epoch})


def thin(curve: tuple[tuple[int, float], ...], keep: Collection[int], most: int = MOST_POINTS) -> dict[int, float]:
    """At most ``most`` points of a curve, evenly spread, its ends and the epochs in ``keep`` among them."""
    if len(curve) <= most:
        return dict(curve)
    wanted = [i for i, (epoch, _) in enumerate(curve) if epoch in keep][: most - 2]
    free = most - len(wanted)
    spread = {round(i * (len(curve) - 1) / (free - 1)) for i in range(free)}
    return dict(curve[i] for i in sorted(spread.union(wanted)))
