"""What the plots of a search look at."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from analysis.result import StudyResult
from search_spaces.errors import SearchFailed, TunefleetError


@dataclass(frozen=True)
class Search:
    """The trials of a study, by its first objective alone.

    Args:
        study: the Optuna study.
        trials: all of them, by number.
        metric: name of what the values measure.
        minimise: whether small values are good.
        best: number of the best completed trial; None without any.
    """

    study: optuna.Study
    trials: Sequence[FrozenTrial]
    metric: str
    minimise: bool
    best: int | None

    @classmethod
    def of(cls, result: StudyResult) -> Search:
        """Read a study that has proposed at least one trial."""
        try:
            best = result.best.number
        except SearchFailed:
            best = None
        study, trials = result.optuna_study, result.frozen_trials
        if len(result.objectives) > 1:
            study = _by_the_first(study, trials)
            trials = study.get_trials(deepcopy=False)
        return cls(study, trials, metric_name(result), result.mode == "min", best)


def _by_the_first(study: optuna.Study, trials: Sequence[FrozenTrial]) -> optuna.Study:
    """A copy in memory with one objective."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the copy
    one = optuna.create_study(direction=study.directions[0])
    optuna.logging.set_verbosity(verbosity)
    for trial in trials:
        reduced = copy.copy(trial)
        reduced.values = trial.values[:1] if trial.values else None
        one.add_trial(reduced)
    return one


def metric_name(result: StudyResult) -> str:
    """What the study optimises; "value" where its task cannot be made here (a module of the user's that has gone)."""
    try:
        return result.task.metric
    except TunefleetError:
        return "value"
