"""The numbers behind the plots of a search."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.plots.registry import SEARCH
from analysis.plots.search import curves, history, importances, schedules, slices
from analysis.plots.search.source import Search
from analysis.plots.style import Drawn, Missing

LR = FloatDistribution(1e-4, 1e-1, log=True)
KIND = CategoricalDistribution(("adam", "sgd"))


def trial(
    value: float | None,
    state: TrialState = TrialState.COMPLETE,
    params: Mapping[str, Any] | None = None,
    distributions: Mapping[str, BaseDistribution] | None = None,
    curve: Mapping[int, float] | None = None,
    **attributes: int | str,
) -> FrozenTrial:
    return create_trial(
        value=value,
        state=state,
        params=dict(params or {}),
        distributions=dict(distributions or {}),
        intermediate_values=dict(curve or {}),
        user_attrs=attributes,
    )


def search(trials: list[FrozenTrial], best: int | None = None, minimise: bool = True) -> Search:
    study = optuna.create_study(direction="minimize" if minimise else "maximize")
    study.add_trials(trials)
    return Search(study, study.get_trials(), "loss", minimise, best)


def random_trials(count: int) -> list[FrozenTrial]:
    """Values that depend on lr alone; momentum only exists for sgd, width never changes."""
    rng = np.random.default_rng(0)
    width, momentum = IntDistribution(8, 8), FloatDistribution(0, 1)
    trials = []
    for _ in range(count):
        params: dict[str, Any] = {"lr": 10 ** rng.uniform(-4, -1), "kind": KIND.choices[rng.integers(2)], "width": 8}
        distributions: dict[str, BaseDistribution] = {"lr": LR, "kind": KIND, "width": width}
        if params["kind"] == "sgd":
            params["momentum"], distributions["momentum"] = rng.uniform(), momentum
        trials.append(trial((math.log10(params["lr"]) + 2) ** 2, params=params, distributions=distributions))
    return trials


@pytest.mark.parametrize("minimise", [True, False])
def test_best_so_far_is_numpys_running_best(minimise: bool) -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = history.compute([trial(float(v)) for v in values], minimise)
    expected = np.minimum.accumulate(values) if minimise else np.maximum.accumulate(values)
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
    found = history.compute(search(trials).trials, minimise=True)
    np.testing.assert_array_equal(found.numbers, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(found.best, [np.nan, 1.0, 1.0, 1.0, 0.5])
    assert "3 completed, 1 pruned, 1 failed (on the lower edge); 1 infinite value" in history.caption(found)
    assert "trial 4 brought the best value, 0.5." in history.caption(found)


def test_history_draws_every_trial_once() -> None:
    trials = [trial(2.0), trial(1.0), trial(3.0, TrialState.PRUNED), trial(None, TrialState.FAIL), trial(math.inf)]
    axes = Figure().add_subplot()
    history.draw(history.compute(search(trials).trials, minimise=True), axes, "loss")
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


def test_curves_keep_epochs_in_order_and_leave_out_what_is_not_finite() -> None:
    found = curves.compute(
        search([trial(1.0, curve={3: 1.0, 1: 4.0, 2: math.inf}), trial(None, TrialState.FAIL)]).trials
    )
    assert [c.number for c in found] == [0]
    np.testing.assert_array_equal(found[0].epochs, [1, 2, 3])
    np.testing.assert_array_equal(found[0].values, [4.0, np.nan, 1.0])


def test_curves_caption_counts_the_pruned() -> None:
    pruned = [trial(3.0, TrialState.PRUNED, curve=dict.fromkeys(range(1, n + 1), 3.0)) for n in (2, 2, 6)]
    best = trial(0.9, curve={1: 2.0, 3: 1.0, 60: 1.5}, best_epoch=2)  # an epoch that thinning left out
    text = curves.caption(curves.compute(search([best, *pruned]).trials), 0)
    assert text.startswith(
        "Trial 0 reaches 0.9 at epoch 2 of its 60 epochs; 3 of 4 were stopped early, half of these by epoch 2"
    )


def test_a_trial_that_diverged_does_not_flatten_the_curves() -> None:
    usual = [trial(1.0, curve=dict.fromkeys(range(1, 31), 1.0)) for _ in range(10)]
    wild = trial(0.6, curve={1: 1.0, 2: 1e7, 3: 1.0}, best_epoch=4)
    drawn = curves.plot(search([*usual, wild]))
    assert isinstance(drawn, Drawn)
    assert drawn.figure.axes[0].get_ylim() == pytest.approx((0.6 / 1.2, 2))
    assert "alues above 2 are cut off" in drawn.caption
    assert curves.ceiling(curves.compute(search(usual).trials)) is None
    assert curves.ceiling(curves.compute(search([trial(1.0, curve={1: math.nan})]).trials)) is None


def test_importances_find_the_parameter_that_matters() -> None:
    found = importances.compute(search(random_trials(60)).study)
    assert isinstance(found, importances.Importances)
    assert found.names[0] == "lr"
    assert set(found.names) == {"lr", "kind", "momentum"}
    assert sum(found.shares) == pytest.approx(1)
    assert found == importances.compute(search(random_trials(60)).study)


def test_importances_caption_counts_the_pruned() -> None:
    pruned = [trial(9.0, TrialState.PRUNED, params={"lr": 0.1}, distributions={"lr": LR})] * 2
    for count, told in (
        (0, "PED-ANOVA)."),
        (1, "; 1 pruned trial is left out."),
        (2, "; 2 pruned trials are left out."),
    ):
        drawn = importances.plot(search([*random_trials(30), *pruned[:count]]))
        assert isinstance(drawn, Drawn)
        assert drawn.caption.endswith(told)


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([trial(None, TrialState.FAIL)] * 3, "there are 0"),
        ([trial(1.0, params={"lr": 0.1}, distributions={"lr": LR})], "there are 1"),
        ([trial(math.inf), trial(1.0)], "there are 1"),
        (
            [trial(1.0, params={"w": 8}, distributions={"w": IntDistribution(8, 8)})] * 3,
            "no hyperparameter was searched",
        ),
        ([trial(1.0, params={"lr": x}, distributions={"lr": LR}) for x in (0.1, 0.01, 0.001)], "nothing sets the best"),
    ],
)
def test_importances_say_why_there_are_none(trials: list[FrozenTrial], reason: str) -> None:
    found = importances.plot(search(trials))
    assert isinstance(found, Missing)
    assert reason in found.reason


def test_slices_know_conditions_scales_and_choices() -> None:
    trials = search([*random_trials(20), trial(None, TrialState.FAIL), trial(math.inf)]).trials
    found = {one.name: one for one in slices.compute(trials)}
    assert set(found) == {"lr", "kind", "momentum"}
    assert [found[n].log for n in ("lr", "kind", "momentum")] == [True, False, False]
    assert found["kind"].choices == ("adam", "sgd")
    sgd = [t for t in trials if t.params.get("kind") == "sgd"]
    np.testing.assert_array_equal(found["momentum"].numbers, [t.number for t in sgd])
    np.testing.assert_array_equal(found["momentum"].values, [t.value for t in sgd])


def test_slices_caption_names_the_range_of_the_best_quarter() -> None:
    trials = search(random_trials(40)).trials
    best = sorted(trials, key=lambda t: t.value or 0.0)[:10]
    rates = [t.params["lr"] for t in best]
    assert f"agree most on lr, {min(rates):.4g} to {max(rates):.4g} of 0.0001 to 0.1" in slices.caption(
        slices.compute(trials), minimise=True
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
    trials = search([trial(1.0, params=p, distributions={"n": distribution}) for p in params], 0).trials
    (one,) = slices.compute(trials)
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


@pytest.mark.parametrize("plot", [history.plot, curves.plot, slices.plot, importances.plot])
@pytest.mark.parametrize("minimise", [True, False])
def test_names_and_choices_with_dollar_signs_are_drawn(plot: Any, minimise: bool) -> None:
    distributions = {"$x_{$": CategoricalDistribution(("$a^", "b", None)), "lr": LR}
    trials = [
        trial(v, params={"$x_{$": c, "lr": x}, distributions=distributions, curve={1: v})
        for v, c, x in zip((1.0, 30.0, 400.0), ("$a^", "b", None), (1e-3, 1e-2, 1e-1), strict=True)
    ]
    found = plot(search(trials, 0, minimise))
    assert isinstance(found, Drawn)
    found.figure.draw_without_rendering()


def test_a_failed_trial_does_not_stretch_the_axis() -> None:
    sound = [curves.Curve(n, TrialState.COMPLETE, np.arange(3), np.array([3.0, 2.0, 1.0]), None) for n in range(5)]
    wild = curves.Curve(5, TrialState.FAIL, np.arange(3), np.array([1e2, 1e6, 1e12]), None)
    assert curves.ceiling(sound) is None
    assert curves.ceiling([*sound, wild, wild]) == pytest.approx(6)


def population() -> list[FrozenTrial]:
    """Trial 0 kept its hyperparameters; trial 1 went on from a copy of it after epoch 2, changed."""
    distributions: dict[str, BaseDistribution] = {"lr": LR, "kind": KIND}
    first, changed = {"lr": 0.01, "kind": "adam"}, {"lr": 0.02, "kind": "adam"}
    followed = json.dumps([(0, first), (2, changed)])
    return [
        trial(0.5, params=first, distributions=distributions, best_epoch=4),
        trial(0.3, params={"lr": 0.1, "kind": "sgd"}, distributions=distributions, best_epoch=5, schedule=followed),
    ]


def test_schedules_are_those_of_the_network_not_of_the_trial_alone() -> None:
    (panel,) = schedules.compute(search(population(), best=1))
    assert (panel.name, panel.log, panel.choices) == ("lr", True, ())  # kind never changed as a network trained
    assert panel.lines == {0: ([0, 4], [0.01, 0.01]), 1: ([0, 2, 5], [0.01, 0.02, 0.02])}
    drawn = schedules.plot(search(population(), best=1))
    assert isinstance(drawn, Drawn)
    assert "trial 1, in colour, whose network went through 1 change before" in drawn.caption


def test_a_population_is_drawn_by_its_schedules_not_by_what_its_trials_began_with() -> None:
    for trials, drawn in ((population(), {"schedules"}), (random_trials(3), {"importances", "slices"})):
        names = {plot.name for plot in SEARCH if plot.applies(search(trials))}
        assert names & {"schedules", "importances", "slices"} == drawn
