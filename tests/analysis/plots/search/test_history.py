"""The numbers behind the figure of all values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from analysis.plots.search import history
from analysis.plots.style import Missing
from search_spaces.trials.objectives import Mode, Objective
from tests.analysis.plots.search.searches import search, trial


@pytest.mark.parametrize("mode", ["min", "max"])
def test_best_so_far_is_numpys_running_best(mode: Mode) -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = history.compute(search([trial(float(v)) for v in values]).outcomes, Objective("loss", mode))
    expected = np.minimum.accumulate(values) if mode == "min" else np.maximum.accumulate(values)
    np.testing.assert_array_equal(found.best, expected)


def test_only_completed_trials_are_best_so_far() -> None:
    trials = [
        trial(None, TrialState.FAIL),
        trial(1.0),
        trial(0.1, TrialState.PRUNED),
        trial(math.inf),
        trial(0.5),
        trial(None, TrialState.RUNNING),
    ]
    found = history.compute(search(trials).outcomes, Objective())
    np.testing.assert_array_equal(found.numbers, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(found.best, [np.nan, 1.0, 1.0, 1.0, 0.5])
    assert "3 completed, 1 pruned, 1 failed (on the lower edge); 1 infinite value" in history.caption(found)
    assert "trial 4 brought the best value, 0.5." in history.caption(found)


def test_history_draws_every_trial_once() -> None:
    trials = [trial(2.0), trial(1.0), trial(3.0, TrialState.PRUNED), trial(None, TrialState.FAIL), trial(math.inf)]
    axes = Figure().add_subplot()
    history.draw(history.compute(search(trials).outcomes, Objective()), axes, "loss")
    points = [len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "None"]  # type: ignore[arg-type]
    looks = {(line.get_marker(), line.get_color()) for line in axes.lines if line.get_linestyle() == "None"}
    assert sum(points) == 5
    assert len(looks) == len({m for m, _ in looks}) == len({c for _, c in looks}) == 3


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([], "no trial has ended yet"),
        ([trial(None, TrialState.RUNNING)], "no trial has ended yet"),
        ([trial(None, TrialState.FAIL), trial(math.inf)], "no trial has a finite value"),
    ],
)
def test_history_of_nothing(trials: list[FrozenTrial], reason: str) -> None:
    assert history.plot(search(trials)) == Missing(reason)
