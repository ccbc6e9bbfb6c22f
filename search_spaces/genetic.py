"""A generational genetic algorithm on Optuna's NSGA-II sampler (Deb et al., IEEE TEC 2002), for one objective.

Generation 0 is drawn at random. The parents of the next one are the best of the last and, as far as the elite share
goes, of all before; its members cross two of them, and each gene may mutate. Nothing is assumed about the problem.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, nsgaii
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

GENERATION = "NSGAIISampler:generation"
"""Where Optuna keeps the number of a trial's generation, among its system attributes."""

CROSSOVERS: dict[str, Callable[[], nsgaii.BaseCrossover]] = {
    "uniform": nsgaii.UniformCrossover,
    "blx_alpha": nsgaii.BLXAlphaCrossover,
    "sbx": nsgaii.SBXCrossover,
    "vsbx": nsgaii.VSBXCrossover,
    "spx": nsgaii.SPXCrossover,
    "undx": nsgaii.UNDXCrossover,
}


def genetic_sampler(
    population: int,
    crossover: str,
    crossover_probability: float,
    mutation_probability: float | None,
    elite_share: float,
) -> Callable[[int], BaseSampler]:
    """Return a function from a seed to the sampler; arguments as in ``search_spaces.samplers.Genetic``."""

    def parents(study: optuna.Study, candidates: list[FrozenTrial]) -> list[FrozenTrial]:
        return select(candidates, population, elite_share, study.direction is StudyDirection.MINIMIZE)

    def build(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return NSGAIISampler(
                population_size=population,
                crossover=CROSSOVERS[crossover](),
                crossover_prob=crossover_probability,
                mutation_prob=mutation_probability,
                elite_population_selection_strategy=parents,
                seed=seed,
            )

    return build


def select(candidates: Sequence[FrozenTrial], population: int, elite_share: float, minimise: bool) -> list[FrozenTrial]:
    """Choose parents, by number: the elite from all candidates, others from the last generation; of equals the older.

    Args:
        candidates: completed trials of the last generation, and the parents of it.
        population: how many are chosen, where there are as many.
        elite_share: of the parents, at most so large a share is from before the last generation.
        minimise: whether small values are good.
    """
    ranked = sorted(candidates, key=lambda t: ((t.value or 0.0) * (1 if minimise else -1), t.number))
    last = max(t.system_attrs[GENERATION] for t in ranked)
    elite = ranked[: round(elite_share * population)]
    others = [t for t in ranked if t.system_attrs[GENERATION] == last and t not in elite]
    # By number, as Optuna returns them when it asks again: who is drawn must not depend on whether it has asked before.
    return sorted((elite + others)[:population], key=lambda t: t.number)


def founders(past: Sequence[FrozenTrial], population: int, minimise: bool) -> list[FrozenTrial]:
    """The best completed trials of another study, as members of generation 0."""
    ranked = sorted(past, key=lambda t: ((t.value or 0.0) * (1 if minimise else -1), t.number))
    chosen = [copy.copy(trial) for trial in ranked[:population]]
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
