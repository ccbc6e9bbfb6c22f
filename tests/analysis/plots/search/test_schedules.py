"""The numbers behind the hyperparameters that changed as networks trained."""

from __future__ import annotations

from analysis.plots.search import schedules
from analysis.plots.style import Drawn
from tests.analysis.plots.search.searches import population, search


def test_schedules_are_those_of_the_network_not_of_the_trial_alone() -> None:
    (panel,) = schedules.compute(search(population(), best=1))
    assert (panel.name, panel.log, panel.choices) == ("lr", True, ())  # kind never changed as a network trained
    assert panel.lines == {0: ([0, 4], [0.01, 0.01]), 1: ([0, 2, 5], [0.01, 0.02, 0.02])}
    drawn = schedules.plot(search(population(), best=1))
    assert isinstance(drawn, Drawn)
    assert "trial 1, in colour, whose network went through 1 change before" in drawn.caption
