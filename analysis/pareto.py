"""The Pareto front of a study with several objectives: the trials, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search_spaces.trials.objectives import Objective, front


@dataclass(frozen=True)
class ParetoTrial:
    """A completed trial that no other dominates; ``values`` are its objectives by name."""

    number: int
    params: dict[str, Any]
    values: dict[str, float]


def first_value(trial: FrozenTrial) -> float | None:
    """A trial's value of the first objective; Optuna's ``trial.value`` raises where there are several."""
    return trial.values[0] if trial.values else None


def completed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have a value of every objective, and reached it undisturbed."""
    return [t for t in trials if t.state is TrialState.COMPLETE and t.values]


def pareto_front(trials: Sequence[FrozenTrial], objectives: Sequence[Objective]) -> list[ParetoTrial]:
    """Completed trials that no other dominates, the best by the first objective first."""
    candidates = completed(trials)
    names = [objective.name for objective in objectives]
    chosen = [candidates[i] for i in front([t.values for t in candidates], objectives)]
    return [
        ParetoTrial(t.number, dict(t.params), dict(zip(names, t.values, strict=True)))
        for t in sorted(chosen, key=lambda t: (objectives[0].cost(t.values[0]), t.number))
    ]


def table(trials: Sequence[ParetoTrial], most: int | None = None) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows: number, objectives, and the hyperparameters in which the trials differ, at most so many."""
    names = dict.fromkeys(name for t in trials for name in t.params)
    differing = [name for name in names if len({repr(t.params.get(name)) for t in trials}) > 1][:most]
    heads = ["trial", *(trials[0].values if trials else ()), *differing]
    return heads, [[t.number, *map(_whole, t.values.values()), *(t.params.get(n) for n in differing)] for t in trials]


def _whole(value: float) -> float | int:
    """Counts as such: the database keeps them as floats."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
