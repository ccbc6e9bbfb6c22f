"""The numbers behind the learning curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.trial import TrialState

from analysis.plots.search import curves
from analysis.plots.style import Drawn
from tests.analysis.plots.search.searches import search, trial


def test_curves_keep_epochs_in_order_and_leave_out_what_is_not_finite() -> None:
    found = curves.compute(
        search([trial(1.0, curve={3: 1.0, 1: 4.0, 2: math.inf}), trial(None, TrialState.FAIL)]).outcomes
    )
    assert [c.number for c in found] == [0]
    np.testing.assert_array_equal(found[0].epochs, [1, 2, 3])
    np.testing.assert_array_equal(found[0].values, [4.0, np.nan, 1.0])


def test_curves_caption_counts_the_pruned() -> None:
    pruned = [trial(3.0, TrialState.PRUNED, curve=dict.fromkeys(range(1, n + 1), 3.0)) for n in (2, 2, 6)]
    best = trial(0.9, curve={1: 2.0, 3: 1.0, 60: 1.5}, best_epoch=2)  # an epoch that thinning left out
    text = curves.caption(curves.compute(search([best, *pruned]).outcomes), 0)
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
    assert curves.ceiling(curves.compute(search(usual).outcomes)) is None
    assert curves.ceiling(curves.compute(search([trial(1.0, curve={1: math.nan})]).outcomes)) is None


def test_a_failed_trial_does_not_stretch_the_axis() -> None:
    sound = [curves.Curve(n, TrialState.COMPLETE, np.arange(3), np.array([3.0, 2.0, 1.0]), None) for n in range(5)]
    wild = curves.Curve(5, TrialState.FAIL, np.arange(3), np.array([1e2, 1e6, 1e12]), None)
    assert curves.ceiling(sound) is None
    assert curves.ceiling([*sound, wild, wild]) == pytest.approx(6)
