"""Population-based training: who copies whom, and which hyperparameters the copy goes on with.

Source: Jaderberg et al., "Population Based Training of Neural Networks", 2017. Every ``interval`` epochs the worst
members of a population take over weights and optimizer state of members drawn from the best (exploit), and go on with
hyperparameters near theirs (explore). Nothing here knows how weights are copied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from search_spaces.choosing.points import at_share, share_of
from search_spaces.space import Params, Space
from search_spaces.study.fields import Count, OpenShare, Population, Section, Share
from search_spaces.trials.objectives import Objective

Segment = tuple[int, Params]
"""Hyperparameters, and how many epochs had been trained when they came into force."""

Schedule = tuple[Segment, ...]
"""All segments of a network's training, the first from epoch 0 on."""


class Pbt(Section):
    """Population-based training (Jaderberg et al. 2017): bad members go on from copies of good ones."""

    population: Population = Field(16, description="trials in a population; search.trials must be a multiple of it")
    interval: Count = Field(1, description="epochs between two rounds of copying")
    quantile: Annotated[float, Field(gt=0, le=0.5, strict=True)] = Field(
        0.25, description="share of the population that is replaced: the worst members copy members of the best share"
    )
    perturb: tuple[OpenShare, Annotated[float, Field(gt=1, le=100, strict=True)]] = Field(
        (0.8, 1.2),
        description="factors, one of which multiplies each number; in a list of numbers the next smaller or larger one is taken; other choices stay",
    )
    resample_probability: Share = Field(0.25, description="probability that a hyperparameter is drawn anew instead")
    engine: Literal["auto", "cohort", "ray"] = Field(
        "auto",
        description="`cohort`: a population trains as one stack, and copying costs nothing; `ray`: Ray Tune's own "
        "scheduler, one worker per member, with checkpoints; `auto`: ray for networks that train one by one on several "
        "workers, otherwise cohort",
    )
    explore: Literal["perturb", "pb2"] = Field(
        "perturb",
        description="how new values are found: `perturb` as above; `pb2` by Ray Tune's bandit model, for numbers only "
        "(Parker-Holder et al. 2020)",
    )

    @property
    def asks_ray(self) -> bool:
        """Whether nothing but Ray Tune's own schedulers will do."""
        return self.engine == "ray" or self.explore == "pb2"


@dataclass(frozen=True)
class Move:
    """One trial goes on from a copy of another.

    Args:
        target, source: numbers of the trials.
        params: hyperparameters of the target from now on.
    """

    target: int
    source: int
    params: Params


@dataclass(frozen=True)
class PopulationTraining:
    """The rounds of one study; its decisions depend on seed, epoch and values alone, so that a repeated epoch repeats them.

    Args:
        options: from the study file.
        space: of the hyperparameters; no conditions.
        objective: what the values are of.
        seed: of the study.
    """

    options: Pbt
    space: Space
    objective: Objective
    seed: int

    def config_of(self, number: int, params: Params) -> dict[str, Any]:
        """What Ray Tune moves about: hyperparameters, for ``pb2`` as shares of their ranges, which it can model."""
        if self.options.explore != "pb2":
            return {"number": number, "params": dict(params)}
        searched = {p.name: share_of(p.distribution, params[p.name]) for p in self.space.parameters if not p.constant}
        return {"number": number, **searched}

    def params_of(self, config: Mapping[str, Any]) -> Params:
        """The hyperparameters in :meth:`config_of`."""
        if "params" in config:
            return dict(config["params"])
        return {p.name: at_share(p.distribution, config.get(p.name, 0.0)) for p in self.space.parameters}

    def due(self, epoch: int) -> bool:
        """Whether there is a round after ``epoch``."""
        return epoch % self.options.interval == 0

    def moves(self, epoch: int, values: Mapping[int, float], params: Mapping[int, Params]) -> list[Move]:
        """A round: values and hyperparameters of the members in training to their moves."""
        ranked = sorted(values, key=lambda n: (self.objective.cost(values[n]), n))
        size = min(math.ceil(len(ranked) * self.options.quantile), len(ranked) // 2)
        moves = []
        for target in ranked[len(ranked) - size :]:
            rng = np.random.default_rng([self.seed, epoch, target])
            source = ranked[int(rng.integers(size))]
            moves.append(Move(target, source, self.explore(params[source], rng)))
        return moves

    def explore(self, params: Params, rng: np.random.Generator) -> Params:
        """Hyperparameters near ``params``, within the space."""
        near = dict(params)
        for p in self.space.parameters:
            if p.constant:
                continue
            resample, share, side = rng.random(3).tolist()
            if resample < self.options.resample_probability:
                near[p.name] = at_share(p.distribution, share)
            else:
                near[p.name] = _neighbour(p.distribution, params[p.name], self.options.perturb, side < 0.5)
        return near


def _neighbour(distribution: BaseDistribution, value: Any, factors: Sequence[float], down: bool) -> Any:
    """The value times one of the factors, on the grid and within the range.

    Of choices that are numbers the next or the last one; others have no neighbours, and stay.
    """
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        if not all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices):
            return value
        return choices[min(max(choices.index(value) + (-1 if down else 1), 0), len(choices) - 1)]
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise TypeError(f"not a distribution of a space: {distribution!r}")
    low, high, step = distribution.low, distribution.high, distribution.step
    moved = min(max(value * factors[0 if down else 1], low), high)
    if step is None:
        return moved
    moved = low + round((moved - low) / step) * step
    if moved == value:  # the grid is coarser than the factor
        moved = min(max(value + (-step if down else step), low), high)
    return moved
