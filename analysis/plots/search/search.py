"""What the figures of a search are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from analysis.result import StudyResult
from search_spaces.errors import SearchFailed
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome


@dataclass(frozen=True)
class Search:
    """The trials of a study, by its first objective alone.

    Args:
        study: the Optuna study.
        trials: all of them by number, as Optuna has them: where their hyperparameters are.
        outcomes: what is known of each.
        objective: what their values are of.
        best: number of the best completed trial; None without any.
    """

    study: optuna.Study
    trials: Sequence[FrozenTrial]
    outcomes: Sequence[Outcome]
    objective: Objective
    best: int | None

    @classmethod
    def of(cls, result: StudyResult) -> Search:
        """Read a study that has proposed at least one trial."""
        try:
            best = result.best.number
        except SearchFailed:
            best = None
        return cls(result.optuna_study, result.frozen_trials, result.outcomes, result.objectives[0], best)
