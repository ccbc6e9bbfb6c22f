"""The Pareto front of a study with several objectives: the trials, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from search_spaces.trials.objectives import Objective, front
from search_spaces.trials.outcome import Outcome


class ParetoTrial(NamedTuple):
    """A completed trial that no other dominates; ``values`` are its objectives by name."""

    number: int
    params: dict[str, Any]
    values: dict[str, float]


def compared(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> dict[int, list[float]]:
    """By number, the values of every objective of the trials that count: those that completed and have them all."""
    return {o.number: values for o in outcomes if o.complete and (values := o.values(objectives)) is not None}


def pareto_front(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> dict[int, list[float]]:
    """Those of them that no other dominates, the best by the first objective first."""
    every = compared(outcomes, objectives)
    numbers = [list(every)[i] for i in front(list(every.values()), objectives)]
    return {n: every[n] for n in sorted(numbers, key=lambda n: (objectives[0].cost(every[n][0]), n))}


def table(trials: Sequence[ParetoTrial], most: int | None = None) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows: number, objectives, and the hyperparameters in which the trials differ, at most so many."""
    names = dict.fromkeys(name for t in trials for name in t.params)
    differing = [name for name in names if len({repr(t.params.get(name)) for t in trials}) > 1][:most]
    heads = ["trial", *(trials[0].values if trials else ()), *differing]
    return heads, [[t.number, *map(_whole, t.values.values()), *(t.params.get(n) for n in differing)] for t in trials]


def _whole(value: float) -> float | int:
    """Counts as such: the database keeps them as floats."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
