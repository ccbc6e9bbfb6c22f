"""A generational genetic algorithm on Optuna's NSGA-II sampler (Deb et al., IEEE TEC 2002), for one objective.

Generation 0 is drawn at random. The parents of the next one are the best of the last and, as far as the elite share
goes, of all before; its members cross two of them, and each gene may mutate. Nothing is assumed about the problem.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, nsgaii
from optuna.trial import FrozenTrial, TrialState

from search_spaces.choosing.points import at_share
from search_spaces.space import Space
from search_spaces.trials.objectives import Objective

GENERATION = "GeneticSampler:generation"
"""Where Optuna keeps the number of a trial's generation, among its system attributes."""

CROSSOVERS: dict[str, Callable[[], nsgaii.BaseCrossover]] = {
    "uniform": nsgaii.UniformCrossover,
    "blx_alpha": nsgaii.BLXAlphaCrossover,
    "sbx": nsgaii.SBXCrossover,
    "vsbx": nsgaii.VSBXCrossover,
    "spx": nsgaii.SPXCrossover,
    "undx": nsgaii.UNDXCrossover,
}


class GeneticSampler(NSGAIISampler):
    """Optuna's sampler over all genes: its own evolves only those that every trial has, and so no conditional ones.

    A gene that is not active in a parent is silent: it has a value that the parent never shows, but may pass on.
    """

    def __init__(self, genes: Mapping[str, BaseDistribution], silent_seed: int, **options: Any) -> None:
        super().__init__(**options)
        self._genes = dict(genes)
        self._silent_seed = silent_seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All genes."""
        return self._genes

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The parents of a generation, silent genes included."""
        return [self._whole(parent) for parent in super().get_parent_population(study, generation)]

    def _whole(self, parent: FrozenTrial) -> FrozenTrial:
        shares = np.random.default_rng([self._silent_seed, parent.number]).random(len(self._genes))
        silent = {name: at_share(d, float(u)) for (name, d), u in zip(self._genes.items(), shares, strict=True)}
        whole = copy.copy(parent)
        whole.params = silent | parent.params
        whole.distributions = self._genes | parent.distributions
        return whole


def genetic_sampler(
    space: Space,
    seed: int,
    population: int,
    crossover: str,
    crossover_probability: float,
    mutation_probability: float | None,
    elite_share: float,
) -> Callable[[int], BaseSampler]:
    """Return a function from the seed of a draw to its sampler.

    Args:
        space: whose parameters are the genes.
        seed: of the study, for silent genes.
        population, crossover, crossover_probability, mutation_probability, elite_share: as in
            ``search_spaces.choosing.samplers.Genetic``.
    """
    genes = {p.name: p.distribution for p in space.parameters if not p.constant}

    def parents(study: optuna.Study, candidates: list[FrozenTrial]) -> list[FrozenTrial]:
        return select(candidates, population, elite_share, Objective.towards(study.direction))

    def build(draw_seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return GeneticSampler(
                genes,
                seed,
                population_size=population,
                crossover=CROSSOVERS[crossover](),
                crossover_prob=crossover_probability,
                mutation_prob=mutation_probability,
                elite_population_selection_strategy=parents,
                seed=draw_seed,
            )

    return build


def select(
    candidates: Sequence[FrozenTrial], population: int, elite_share: float, objective: Objective
) -> list[FrozenTrial]:
    """Choose parents, by number: the elite from all candidates, others from the last generation; of equals the older.

    Args:
        candidates: completed trials of the last generation, and the parents of it.
        population: how many are chosen, where there are as many.
        elite_share: of the parents, at most so large a share is from before the last generation.
        objective: what their values are of.
    """
    ranked = _ranked(candidates, objective)
    last = max(t.system_attrs[GENERATION] for t in ranked)
    elite = ranked[: round(elite_share * population)]
    others = [t for t in ranked if t.system_attrs[GENERATION] == last and t not in elite]
    # By number, as Optuna returns them when it asks again: who is drawn must not depend on whether it has asked before.
    return sorted((elite + others)[:population], key=lambda t: t.number)


def _ranked(trials: Sequence[FrozenTrial], objective: Objective) -> list[FrozenTrial]:
    """Sort by value, the best first; of equal values the older trial comes first."""
    return sorted(trials, key=lambda t: (objective.cost(t.value), t.number))


def founders(past: Sequence[FrozenTrial], population: int, objective: Objective) -> list[FrozenTrial]:
    """The best completed trials of another study, as members of generation 0."""
    chosen = [copy.copy(trial) for trial in _ranked(past, objective)[:population]]
    for trial in chosen:
        trial.system_attrs = {GENERATION: 0}
    return chosen


def room(trials: Sequence[FrozenTrial], population: int) -> int:
    """How many members the running generation lacks: all of the next one's, once every member of the last is finished.

    Failed and pruned trials have no fitness; others take their places.
    """
    of = [(t.system_attrs.get(GENERATION, 0), t.state) for t in trials]
    last = max((generation for generation, _ in of), default=0)
    running = sum(state is TrialState.RUNNING for generation, state in of if generation == last)
    complete = sum(state is TrialState.COMPLETE for generation, state in of if generation == last)
    if complete >= population:
        return 0 if running else population
    return max(0, population - complete - running)
