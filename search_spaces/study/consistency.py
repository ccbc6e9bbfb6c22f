"""What the keys of a study file must agree on; each by itself is checked where its section is defined."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.distributions import CategoricalDistribution

from search_spaces.choosing.population import Pbt
from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.errors import StudyError
from search_spaces.space import Space
from search_spaces.study.fields import Section
from search_spaces.study.sections import EarlyStopping, Search
from search_spaces.trials.limits import Limits
from search_spaces.trials.objectives import COSTS, Objective

FIXED = frozenset({"optimizer", "batch_size"})
"""Hyperparameters of training that stay as they are while a network trains."""


def check_trials(search: Search, space: Space, limits: Limits) -> None:
    """Check how many trials there are, and what they may learn from.

    Raises:
        StudyError: naming the key, the rule and the value.
    """
    trials, sampler = search.trials, search.sampler
    if space.constant:
        if trials not in (None, 1):
            raise StudyError(f"search.trials: a space with nothing to search has exactly one trial, got {trials}")
    elif sampler == "grid":
        size = space.grid_size()
        if trials is not None and trials > size:
            raise StudyError(f"search.trials: the grid has only {size} points, got {trials}")
    elif trials is None and search.pbt is None and not limits.bound:
        raise StudyError(
            f"search.trials: sampler '{sampler}' needs a number of trials, got none; limits.minutes or another limit "
            "will do, too"
        )
    if search.warm_start is not None and (space.constant or not search.options.learns):
        learning = ", ".join(sorted(name for name, kind in SAMPLERS.items() if kind.learns))
        why = "a space with nothing to search" if space.constant else f"sampler '{sampler}'"
        raise StudyError(f"search.warm_start: {why} learns nothing from earlier trials; samplers that do: {learning}")


def check_enqueued(search: Search, space: Space, trials: int) -> None:
    """Check the configurations to try first, of a study of so many trials.

    Raises:
        StudyError: naming the key, the rule and the value.
    """
    enqueued = search.enqueue
    if len(enqueued) > trials:
        raise StudyError(f"search.enqueue: must not hold more than search.trials ({trials}), got {len(enqueued)}")
    for i, params in enumerate(enqueued):
        space.check(params, f"search.enqueue[{i}]")
    if enqueued and search.sampler == "grid":
        raise StudyError("search.enqueue: a grid tries every point in its own order, so nothing can come first")


def check_objectives(objectives: Sequence[Objective], search: Search, early_stopping: EarlyStopping) -> None:
    """Check the objectives that a study names.

    Raises:
        StudyError: naming the key, the rule and the value.
    """
    if objectives and objectives[0].name in COSTS:
        raise StudyError(
            f"objectives: the first must be a metric, since epochs are chosen by it, got '{objectives[0].name}'"
        )
    for i, one in enumerate(objectives):
        for other in objectives[:i]:
            if one.metric == other.metric:
                raise StudyError(f"objectives: {other.name} and {one.name} are one and the same")
    if len(objectives) < 2:
        return
    names = ", ".join(one.name for one in objectives)
    if search.warm_start is not None:
        raise StudyError(f"search.warm_start: is possible with a single objective, and there are {names}")
    if not search.options.several:
        raise StudyError(
            f"search.sampler: '{search.sampler}' takes a single objective, and there are {names}; take tpe"
        )
    for rule, section in early_stopping:
        if isinstance(section, Section):
            raise StudyError(
                f"early_stopping.{rule}: judges trials by a single objective, and there are {names}; "
                "leave it out (patience is possible)"
            )


def check_population(pbt: Pbt, search: Search, space: Space, early_stopping: EarlyStopping, epochs: int) -> None:
    """Check what copying one network onto another needs; ``epochs`` of a trial.

    Raises:
        StudyError: naming the key, the rule and the value.
    """
    if search.options.learns or search.sampler == "grid":
        raise StudyError(
            f"search.sampler: with search.pbt the first hyperparameters are drawn by random or qmc, "
            f"got '{search.sampler}'"
        )
    if search.trials is not None and search.trials % pbt.population:
        raise StudyError(
            f"search.trials: must be a multiple of search.pbt.population ({pbt.population}), got {search.trials}"
        )
    if search.concurrency is not None and search.concurrency < pbt.population:
        raise StudyError(
            f"search.concurrency: must be at least search.pbt.population ({pbt.population}), got {search.concurrency}"
        )
    if pbt.interval >= epochs:
        raise StudyError(f"search.pbt.interval: must be below task_options.epochs ({epochs}), got {pbt.interval}")
    if early_stopping != EarlyStopping():
        raise StudyError("early_stopping: has no place in population-based training, which replaces bad trials")
    if pbt.explore == "pb2" and pbt.engine == "cohort":
        raise StudyError(
            "search.pbt.engine: explore pb2 is Ray Tune's, so the engine must be ray or auto, got 'cohort'"
        )
    if search.order == "exact" and pbt.asks_ray:
        raise StudyError(
            "search.order: exact is not possible with the schedulers of Ray Tune (search.pbt.engine ray, explore pb2), "
            "where who comes first decides"
        )
    if space.constant:
        raise StudyError("space: population-based training needs a hyperparameter to change, and all are constants")
    for p in space.parameters:
        if p.when:
            raise StudyError(f"space.{p.name}.when: population-based training takes no conditions")
        if p.name in FIXED and not p.constant:
            raise StudyError(
                f"space.{p.name}: cannot change while a network trains; with search.pbt it must be a constant"
            )
        if pbt.explore == "pb2" and not p.constant and isinstance(p.distribution, CategoricalDistribution):
            raise StudyError(f"space.{p.name}: search.pbt.explore pb2 models numbers, and this is a list of choices")
