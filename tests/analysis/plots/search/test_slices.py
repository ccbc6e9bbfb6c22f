"""The numbers behind the values against each hyperparameter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from analysis.plots.search import slices
from analysis.plots.style import Drawn
from search_spaces.trials.objectives import Objective
from tests.analysis.plots.search.searches import random_trials, search, trial


def test_slices_know_conditions_scales_and_choices() -> None:
    searched = search([*random_trials(20), trial(None, TrialState.FAIL), trial(math.inf)])
    found = {one.name: one for one in slices.compute(searched)}
    assert set(found) == {"lr", "kind", "momentum"}
    assert [found[n].log for n in ("lr", "kind", "momentum")] == [True, False, False]
    assert found["kind"].choices == ("adam", "sgd")
    sgd = [t for t in searched.trials if t.params.get("kind") == "sgd"]
    np.testing.assert_array_equal(found["momentum"].numbers, [t.number for t in sgd])
    np.testing.assert_array_equal(found["momentum"].values, [t.value for t in sgd])


def test_slices_caption_names_the_range_of_the_best_quarter() -> None:
    searched = search(random_trials(40))
    best = sorted(searched.trials, key=lambda t: t.value or 0.0)[:10]
    rates = [t.params["lr"] for t in best]
    assert f"agree most on lr, {min(rates):.4g} to {max(rates):.4g} of 0.0001 to 0.1" in slices.caption(
        slices.compute(searched), Objective()
    )


@pytest.mark.parametrize(
    ("distribution", "ticks", "spread"),
    [
        (IntDistribution(1, 4), [1, 2, 3, 4], True),
        (IntDistribution(16, 64, step=16), [16, 32, 48, 64], True),
        (IntDistribution(2, 8, log=True), [2, 3, 4, 5, 6, 7, 8], True),
        (IntDistribution(1, 12, log=True), list(range(1, 13)), True),
        (IntDistribution(8, 512, log=True), [10, 20, 50, 100, 200, 500], False),
        (IntDistribution(1, 100_000, log=True), [1, 10, 100, 1000, 10_000, 100_000], False),
        (IntDistribution(101, 130, log=True), [101, 115, 130], False),
        (IntDistribution(1, 13), None, False),
    ],
)
def test_slices_of_whole_numbers(distribution: IntDistribution, ticks: list[int] | None, spread: bool) -> None:
    low, step = distribution.low, distribution.step
    params = [{"n": n} for n in (low, low + step, distribution.high) for _ in range(5)]
    searched = search([trial(1.0, params=p, distributions={"n": distribution}) for p in params], 0)
    (one,) = slices.compute(searched)
    figure = Figure()
    axes = figure.add_subplot()
    slices.draw(one, 0, axes, "loss")
    figure.draw_without_rendering()
    places, labels = axes.get_xticks(), [label.get_text() for label in axes.get_xticklabels()]
    assert all(float(place).is_integer() for place in places)
    assert all(label in ("", str(int(place))) for place, label in zip(places, labels, strict=True))
    assert sum(label != "" for label in labels) >= min(len(labels), 3)
    assert ticks is None or places.tolist() == ticks
    assert not any(label.get_text() for label in axes.get_xticklabels(minor=True))
    x = np.asarray(axes.lines[0].get_xdata(), dtype=float)
    assert len(set(x)) == (15 if spread else 3)
    assert [distribution.low + round((v - distribution.low) / step) * step for v in x] == [p["n"] for p in params]


def test_slices_say_what_the_best_trial_does_not_have() -> None:
    trials = random_trials(20)
    best = next(i for i, t in enumerate(trials) if t.params["kind"] == "adam")
    drawn = slices.plot(search(trials, best))
    assert isinstance(drawn, Drawn)
    said = {axes.get_xlabel(): axes.get_title(loc="right") for axes in drawn.figure.axes}
    assert said == {"lr": "", "kind": "", "momentum": "not in the best trial"}
