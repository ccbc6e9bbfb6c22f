"""Samplers whose draw k is a point that is known beforehand: grids and low-discrepancy sequences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    from scipy.stats.qmc import QMCEngine


def _sobol(dimensions: int, scramble: bool, seed: int) -> QMCEngine:
    from scipy.stats import qmc  # here: workers, which never draw points, start a second faster

    return qmc.Sobol(dimensions, scramble=scramble, rng=seed)


def _halton(dimensions: int, scramble: bool, seed: int) -> QMCEngine:
    from scipy.stats import qmc  # see above

    return qmc.Halton(dimensions, scramble=scramble, rng=seed)


SEQUENCES: dict[str, Callable[[int, bool, int], QMCEngine]] = {"sobol": _sobol, "halton": _halton}


class PointSampler(BaseSampler):
    """Gives trial k the values at point k, one parameter at a time, so that conditions are respected.

    Optuna's own ``GridSampler`` lists the whole product, so that points which differ only in an inactive parameter
    come up again and again; its ``QMCSampler`` leaves categorical and conditional parameters to chance, and begins
    anew when a study is resumed.

    Args:
        value: of a parameter, by its name and distribution, for a trial's number.
    """

    def __init__(self, value: Callable[[int, str, BaseDistribution], Any]) -> None:
        self._value = value

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing is sampled jointly."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is sampled jointly."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value at this trial's point."""
        return self._value(trial.number, param_name, param_distribution)


def quasi_random(names: list[str], sequence: str, scramble: bool, seed: int) -> PointSampler:
    """Points of a low-discrepancy sequence over the unit cube, one dimension per parameter.

    Args:
        names: of all parameters.
        sequence: a key of ``SEQUENCES``: Sobol 1967 with the directions of Joe and Kuo 2008, or Halton 1960.
        scramble: whether to shuffle it at random (Owen 1998), which keeps it even and makes seeds differ.
        seed: of the scrambling.
    """

    @lru_cache(maxsize=1)  # a trial's parameters are asked for one by one
    def point(number: int) -> dict[str, float]:
        engine = SEQUENCES[sequence](len(names), scramble, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Sobol likes powers of two
            if number:
                engine.fast_forward(number)
            shares = engine.random(1)[0]
        return dict(zip(names, map(float, shares), strict=True))

    def value(number: int, name: str, distribution: BaseDistribution) -> Any:
        return at_share(distribution, point(number)[name])

    return PointSampler(value)


def at_share(distribution: BaseDistribution, share: float) -> Any:
    """The value of which ``share`` (0 up to 1) of the distribution lies below."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(share * len(distribution.choices)), len(distribution.choices) - 1)]
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise TypeError(f"not a distribution of a space: {distribution!r}")
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        whole = isinstance(distribution, IntDistribution)
        ends = math.log(low - 0.5 if whole else low), math.log(high + 0.5 if whole else high)
        value = math.exp(ends[0] + share * (ends[1] - ends[0]))
        return min(max(round(value), low), high) if whole else min(max(value, low), high)
    if step is None:
        return low + share * (high - low)
    steps = round((high - low) / step) + 1
    return min(low + min(int(share * steps), steps - 1) * step, high)


def share_of(distribution: BaseDistribution, value: float) -> float:
    """The share of which :func:`at_share` makes ``value``, in the middle where there are several; of ranges only."""
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise TypeError(f"not a range: {distribution!r}")
    low, high, step = distribution.low, distribution.high, distribution.step
    if high == low:
        return 0.5
    if distribution.log:
        half = 0.5 if isinstance(distribution, IntDistribution) else 0.0
        return math.log(value / (low - half)) / math.log((high + half) / (low - half))
    if step is None:
        return (value - low) / (high - low)
    return (round((value - low) / step) + 0.5) / (round((high - low) / step) + 1)
