"""Thinning a curve, and what is kept of a trial."""

from __future__ import annotations

import itertools

import pytest
from optuna.trial import TrialState

from search_spaces.trials.outcome import Outcome, thin


def curve(length: int) -> tuple[tuple[int, float], ...]:
    """Epochs from 1 with a value each."""
    return tuple((epoch, float(epoch)) for epoch in range(1, length + 1))


@pytest.mark.parametrize("length", [0, 1, 2, 29, 30, 31, 100, 10_000])
@pytest.mark.parametrize("keep", [(), (1, 3, 9, 27, 81), tuple(range(1, 60))])
def test_a_thin_curve_has_its_ends_and_its_rungs(length: int, keep: tuple[int, ...]) -> None:
    thinned = thin(curve(length), frozenset(keep))
    assert len(thinned) <= 30
    assert list(thinned) == sorted(thinned)
    assert all(thinned[epoch] == float(epoch) for epoch in thinned)
    if length:
        assert {1, length} <= set(thinned)
        assert len(keep) > 20 or {e for e in keep if e <= length} <= set(thinned)
    if length <= 30:
        assert len(thinned) == length


def test_points_are_spread_evenly() -> None:
    epochs = list(thin(curve(1000), frozenset()))
    gaps = [b - a for a, b in itertools.pairwise(epochs)]
    assert len(epochs) == 30
    assert max(gaps) - min(gaps) <= 1


def test_attributes() -> None:
    outcome = Outcome(3, TrialState.FAIL, curve=curve(2), reason="why", metrics={"loss": 1.0}, seconds=0.123456)
    assert outcome.attributes() == {"epochs": 2, "seconds": 0.1235, "reason": "why", "loss": 1.0}
    assert Outcome(3, TrialState.FAIL).epochs == 0
