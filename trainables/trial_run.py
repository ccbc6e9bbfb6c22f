"""One trial in training: its curve, its best epoch, and how it ends. No tensors here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.trial import TrialState

from search_spaces.choosing.population import Schedule
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Epoch, Outcome


@dataclass
class TrialRun:
    """A trial in training.

    Args:
        number, params: which trial; the hyperparameters are those in force now.
        objective: what the values are of.
        latest_is_best: without validation there is nothing to choose an epoch by.
    """

    number: int
    params: Mapping[str, Any]
    objective: Objective = field(default_factory=Objective)
    latest_is_best: bool = False
    curve: list[tuple[int, float]] = field(default_factory=list)
    best: Epoch | None = None
    last: Epoch | None = None
    fold_best: tuple[float, ...] = ()
    seconds: float = 0.0
    schedule: Schedule = ()
    best_schedule: Schedule = ()

    def record(self, epoch: Epoch) -> bool:
        """Add an epoch; returns whether it is the best so far."""
        self.curve.append((epoch.epoch, epoch.value))
        self.last = epoch
        pairs = zip(self.fold_best or epoch.folds, epoch.folds, strict=True)
        self.fold_best = tuple(min(pair, key=self.objective.cost) for pair in pairs)
        if self.latest_is_best or self.objective.better(epoch.value, self.best.value if self.best else None):
            self.best, self.best_schedule = epoch, self.schedule
            return True
        return False

    def follow(self, other: TrialRun, epoch: int, params: Mapping[str, Any]) -> None:
        """Go on from the networks of another trial, or of itself, after ``epoch``, with other hyperparameters."""
        self.schedule = (*(other.schedule or ((0, dict(other.params)),)), (epoch, dict(params)))
        self.params = params

    def out_of_patience(self, patience: int | None) -> bool:
        """Whether the last improvement lies that many epochs back."""
        if patience is None or self.best is None:
            return False
        return self.curve[-1][0] - self.best.epoch >= patience

    def outcome(self, state: TrialState, reason: str | None = None) -> Outcome:
        """Its end, as the trial database wants it.

        A pruned trial counts with the epoch it was judged by, its last, as in Optuna; every other with its best.
        """
        chosen = self.last if state is TrialState.PRUNED else self.best
        metrics = dict(chosen.metrics) if chosen else {}
        if len(self.fold_best) > 1:
            metrics["kfold_best"] = math.fsum(self.fold_best) / len(self.fold_best)
        return Outcome(
            number=self.number,
            state=state,
            value=chosen.value if chosen else None,
            curve=tuple(self.curve),
            best_epoch=chosen.epoch if chosen else None,
            metrics=metrics,
            reason=reason,
            seconds=self.seconds,
            schedule=self.best_schedule,
        )

    def state(self) -> dict[str, Any]:
        """Plain numbers to go on from; see :meth:`restore`."""
        return {
            "curve": list(self.curve),
            "best": asdict(self.best) if self.best else None,
            "last": asdict(self.last) if self.last else None,
            "fold_best": list(self.fold_best),
            "seconds": self.seconds,
            "params": dict(self.params),
            "schedule": list(self.schedule),
            "best_schedule": list(self.best_schedule),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` returned."""
        self.curve = [(int(epoch), float(value)) for epoch, value in state["curve"]]
        self.best, self.last = (
            Epoch(**{**state[which], "folds": tuple(state[which]["folds"])}) if state[which] else None
            for which in ("best", "last")
        )
        self.fold_best = tuple(state["fold_best"])
        self.seconds = state["seconds"]
        self.schedule, self.best_schedule = tuple(state["schedule"]), tuple(state["best_schedule"])
        self.params = state["params"]
