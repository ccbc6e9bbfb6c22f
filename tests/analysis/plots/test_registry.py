"""Which figures a study gets."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution

from analysis.plots.registry import SEARCH
from analysis.plots.search import curves, history, importances, slices
from analysis.plots.style import Drawn
from analysis.result import StudyResult
from search_spaces.trials.objectives import Mode
from tests.analysis.plots.search.searches import LR, population, random_trials, search, trial
from tests.analysis.test_report import NETWORK, drawn
from tests.analysis.test_report import SEARCH as SEARCHED


def test_shapes_choose_the_plots(
    digits_study: StudyResult, spirals_study: StudyResult, regression_study: StudyResult
) -> None:
    assert drawn(digits_study) == SEARCHED | NETWORK | {"confusion"}
    assert drawn(regression_study) == SEARCHED | NETWORK | {"fit"}
    assert drawn(spirals_study) == {"history", "curves"} | NETWORK | {"confusion", "decision_map"}


def test_a_population_is_drawn_by_its_schedules_not_by_what_its_trials_began_with() -> None:
    for trials, expected in ((population(), {"schedules"}), (random_trials(3), {"importances", "slices"})):
        names = {plot.name for plot in SEARCH if plot.applies(search(trials))}
        assert names & {"schedules", "importances", "slices"} == expected


@pytest.mark.parametrize("plot", [history.plot, curves.plot, slices.plot, importances.plot])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_names_and_choices_with_dollar_signs_are_drawn(plot: Any, mode: Mode) -> None:
    distributions = {"$x_{$": CategoricalDistribution(("$a^", "b", None)), "lr": LR}
    trials = [
        trial(v, params={"$x_{$": c, "lr": x}, distributions=distributions, curve={1: v})
        for v, c, x in zip((1.0, 30.0, 400.0), ("$a^", "b", None), (1e-3, 1e-2, 1e-1), strict=True)
    ]
    found = plot(search(trials, 0, mode))
    assert isinstance(found, Drawn)
    found.figure.draw_without_rendering()
