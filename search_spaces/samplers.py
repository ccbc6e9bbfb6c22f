"""Who chooses the next trial: Optuna's samplers by the names that a study file uses.

A sampler is built anew for every draw, seeded by (seed, number of the draw): a sampler that is rebuilt with its
seed alone repeats its first proposals, so this is what lets a resumed study go on exactly as an undisturbed one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from search_spaces.errors import StudyError, unknown
from search_spaces.genetic import genetic_sampler
from search_spaces.space import Params, Space


class ConditionalGridSampler(BaseSampler):
    """Draw k is the k-th point of the space's grid, conditions respected.

    Optuna's own ``GridSampler`` lists the whole product, so that points which differ only in an inactive
    parameter come up again and again, and it picks among unvisited points at random.
    """

    def __init__(self, points: Sequence[Params]) -> None:
        self._points = points

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing is sampled jointly."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is sampled jointly."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value at this trial's grid point."""
        return self._points[trial.number][param_name]


def _random(space: Space) -> Callable[[int], BaseSampler]:
    return lambda seed: RandomSampler(seed)


def _grid(space: Space) -> Callable[[int], BaseSampler]:
    sampler = ConditionalGridSampler(list(space.grid()))
    return lambda seed: sampler


def _tpe(space: Space) -> Callable[[int], BaseSampler]:
    conditional = any(p.when for p in space.parameters)

    def build(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # Grouping is what makes a multivariate model follow conditional branches.
            return TPESampler(seed=seed, multivariate=True, group=conditional, constant_liar=True)

    return build


SAMPLERS: dict[str, Callable[..., Callable[[int], BaseSampler]]] = {
    "random": _random,
    "grid": _grid,
    "optuna": _tpe,
    "genetic": lambda space, **options: genetic_sampler(**options),
}

ADAPTIVE = frozenset({"optuna"})
"""Samplers that learn from finished trials, so that proposing everything at once would blind them."""


def make_sampler(name: str, space: Space, **options: Any) -> Callable[[int], BaseSampler]:
    """Return a function from a seed to the named sampler over ``space``; ``options`` are the sampler's own.

    Raises:
        StudyError: for an unknown name, or a grid over a continuous range.
    """
    if name not in SAMPLERS:
        raise StudyError(f"search.sampler: {unknown('sampler', name, SAMPLERS)}")
    return SAMPLERS[name](space, **options)


def draw_seed(seed: int, number: int) -> int:
    """A 32-bit seed for draw ``number`` of a study, independent between draws."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
