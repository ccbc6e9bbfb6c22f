"""The samplers that a study file may name: Optuna's, and our own grid and genetic algorithm, each with its options."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, create_trial
from pydantic import Field

from search_spaces.choosing.genetic import CROSSOVERS, founders, genetic_sampler
from search_spaces.choosing.points import SEQUENCES, PointSampler, quasi_random
from search_spaces.choosing.sampler import Draws, Sampler, draw_seed
from search_spaces.errors import StudyError
from search_spaces.space import Space
from search_spaces.study.fields import Count, Population, Share, known
from search_spaces.trials.objectives import Objective


class Random(Sampler):
    """Each trial is drawn at random, independently of all others."""

    several: ClassVar[bool] = True

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        return lambda number: RandomSampler(draw_seed(seed, number))


class Grid(Sampler):
    """Every configuration once, in the order of the space. Ranges need a step."""

    several: ClassVar[bool] = True

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        points = list(space.grid())
        sampler = PointSampler(lambda number, name, distribution: points[number][name])
        return lambda number: sampler


class Qmc(Sampler):
    """A low-discrepancy sequence, which covers the space more evenly than chance (Bergstra and Bengio 2012)."""

    several: ClassVar[bool] = True
    sequence: Annotated[str, known("sequence", SEQUENCES)] = Field("sobol", description="kind of sequence")
    scramble: bool = Field(True, description="shuffle the sequence by the seed; without it all seeds propose the same")

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        sampler = quasi_random(list(space.by_name), self.sequence, self.scramble, seed)
        return lambda number: sampler


class Tpe(Sampler):
    """Tree-structured Parzen estimator (Bergstra et al. 2011; multivariate: Falkner et al. 2018).

    With several objectives it is the multi-objective variant (Ozaki et al. 2022).
    """

    learns: ClassVar[bool] = True
    several: ClassVar[bool] = True
    n_startup_trials: Count = Field(10, description="trials drawn at random before the model is used")
    n_ei_candidates: Count = Field(24, description="candidates among which each proposal is chosen")
    multivariate: bool = Field(True, description="model all parameters jointly, conditional ones in groups")
    constant_liar: bool = Field(True, description="count running trials as bad, so that a batch does not repeat itself")

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        # Grouping is what makes a multivariate model follow conditional branches.
        group = self.multivariate and any(p.when for p in space.parameters)
        return lambda number: _quiet(TPESampler, seed=draw_seed(seed, number), group=group, **self.model_dump())


class Gp(Sampler):
    """Bayesian optimisation with a Gaussian process and log expected improvement (Ament et al. 2023).

    Conditional parameters are drawn at random. The time of a proposal grows with the number of trials. With several
    objectives it maximises the expected hypervolume improvement, which takes several times as long.
    """

    learns: ClassVar[bool] = True
    several: ClassVar[bool] = True
    n_startup_trials: Count = Field(10, description="trials drawn at random before the model is used")
    deterministic_objective: bool = Field(False, description="whether equal configurations have equal values")

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        return lambda number: _quiet(
            GPSampler, seed=draw_seed(seed, number), warn_independent_sampling=False, **self.model_dump()
        )


class Cmaes(Sampler):
    """Covariance matrix adaptation (Hansen and Ostermeier 2001). Choices and conditional parameters are drawn at random."""

    learns: ClassVar[bool] = True
    n_startup_trials: Count = Field(1, description="trials drawn at random before the first generation")
    popsize: Population | None = Field(None, description="trials per generation; by default 4 + 3 ln(parameters)")
    use_separable_cma: bool = Field(False, description="keep the covariance diagonal, for many parameters")
    with_margin: bool = Field(False, description="keep every value of a stepped range possible")
    lr_adapt: bool = Field(False, description="adapt the learning rate, for noisy or multimodal problems")
    consider_pruned_trials: bool = Field(False, description="learn from trials that were stopped early, too")

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        return lambda number: _quiet(
            CmaEsSampler, seed=draw_seed(seed, number), warn_independent_sampling=False, **self.model_dump()
        )

    def informed_draws(self, space: Space, seed: int, past: Sequence[FrozenTrial]) -> Draws:
        """The first generation is drawn around the best past trials (warm-starting CMA-ES, Nomura et al. 2021).

        Raises:
            StudyError: with ``use_separable_cma``, which has no covariance matrix to begin with.
        """
        if not past:
            return self.draws(space, seed)
        if self.use_separable_cma:
            raise StudyError("search.warm_start: cmaes with use_separable_cma cannot begin with earlier trials")
        # The best tenth is what counts; of fewer than ten, the best one.
        source = _numeric_parts(space, past) * math.ceil(10 / len(past))
        return lambda number: _quiet(
            CmaEsSampler, seed=draw_seed(seed, number), source_trials=source, **self.model_dump()
        )


class Genetic(Sampler):
    """A generational genetic algorithm with elites, on the operators of NSGA-II (Deb et al. 2002)."""

    learns: ClassVar[bool] = True
    population: Population = Field(30, description="trials of a generation")
    crossover: Annotated[str, known("crossover", CROSSOVERS)] = Field(
        "uniform", description="how two parents are crossed"
    )
    crossover_probability: Share = Field(
        0.9, description="probability of crossing two parents; otherwise a child copies one"
    )
    mutation_probability: Share | None = Field(
        None, description="probability that a parameter is drawn anew; by default 1 / number of parameters"
    )
    elite_share: Share = Field(1.0, description="largest share of the parents that is older than the last generation")

    @property
    def generation(self) -> int | None:
        """See :meth:`Sampler.generation`."""
        return self.population

    def lessons(self, past: Sequence[FrozenTrial], objective: Objective) -> Sequence[FrozenTrial]:
        """The best ones, as generation 0; what it lacks is drawn at random."""
        return founders(past, self.population, objective)

    def draws(self, space: Space, seed: int) -> Draws:
        """See :meth:`Sampler.draws`."""
        build = genetic_sampler(space, seed, **self.model_dump())
        return lambda number: build(draw_seed(seed, number))


SAMPLERS: dict[str, type[Sampler]] = {
    "random": Random,
    "grid": Grid,
    "qmc": Qmc,
    "tpe": Tpe,
    "optuna": Tpe,
    "gp": Gp,
    "cmaes": Cmaes,
    "genetic": Genetic,
}
"""By name; ``optuna`` stands for its default, ``tpe``."""


def _quiet(kind: Callable[..., BaseSampler], **options: Any) -> BaseSampler:
    """Build a sampler without its remarks on what is experimental or left to chance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return kind(**options)


def _numeric_parts(space: Space, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The same trials with the parameters alone that CMA-ES models: numbers that every trial has."""
    names = [
        p.name
        for p in space.parameters
        if not (p.when or p.constant or isinstance(p.distribution, CategoricalDistribution))
    ]
    return [
        create_trial(
            value=trial.value,
            params={name: trial.params[name] for name in names},
            distributions={name: trial.distributions[name] for name in names},
        )
        for trial in trials
    ]
