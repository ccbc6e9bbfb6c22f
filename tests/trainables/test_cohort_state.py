"""A cohort is saved and goes on to the same bits; its trials leave with and without an outcome."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from tests.trainables.builders import TRIALS, Curve, as_loop, cohort, curves, ended, run
from trainables.cohort import Cohort

TASK = Curve()
NORMED = {"lr": 0.02, "dropout": 0.3, "schedule": "plateau", "plateau_patience": 0}


FIVE = {n: {**NORMED, "lr": 0.01 * (n + 1), "optimizer": ("adam", "sgd")[n % 2]} for n in range(5)}


def halfway(trials: Mapping[int, Any], fused: bool = True, stopped: Sequence[int] = (), epochs: int = 5) -> Cohort:
    """A cohort after some of ten epochs, in which trials were stopped after the second."""
    one = cohort(TASK, trials, epochs=10)
    if not fused:
        as_loop(one._stack)
    for _ in range(epochs):
        one.advance()
        if one.epoch == 2:
            one.stop(stopped)
    return one


def reread(state: dict[str, Any]) -> Any:
    """What a file makes of it."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("trials", "stopped"),
    [
        ({0: NORMED, 5: {"lr": 0.01}}, []),
        ({5: {**NORMED, "optimizer": "rmsprop"}}, []),
        (FIVE, [3]),
        (FIVE, [0, 1, 2, 3]),
    ],
    ids=["two", "one", "a dead row", "one left"],
)
def test_five_and_five_epochs_are_ten(trials: Mapping[int, Any], stopped: list[int], fused: bool) -> None:
    whole, first = (halfway(trials, fused, stopped) for _ in range(2))
    dead = fused and stopped == [3]
    assert len(first._members) == 2 * (len(trials) - (0 if dead else len(stopped)))
    second = cohort(TASK, {}, epochs=10, saved=reread(first.state()))
    assert second._stack.strategy.name == first._stack.strategy.name
    assert (second.live, second.epoch) == (first.live, 5)
    run(whole), run(second)
    for number in second_half(whole):
        a, b = ended(whole)[number], ended(second)[number]
        assert (a.curve, a.value, a.metrics) == (b.curve, b.value, b.metrics)
    assert set(ended(second)) == set(second_half(whole))


def second_half(one: Cohort) -> list[int]:
    """Trials that were trained to the end."""
    return [o.number for o in one.ended if o.epochs == 10]


def test_kept_weights_are_saved_too() -> None:
    whole, first = (cohort(TASK, TRIALS, folds=1, keep_best=True) for _ in range(2))
    for _ in range(5):
        first.advance()
    second = run(cohort(TASK, {}, folds=1, keep_best=True, saved=reread(first.state())))
    run(whole)
    for number, (expected,) in whole.weights.items():
        assert all(torch.equal(tensor, second.weights[number][0][name]) for name, tensor in expected.items())


def test_a_cohort_with_nothing_in_training_is_saved_as_nothing() -> None:
    one = cohort(TASK, {}, saved=reread(run(cohort(TASK, TRIALS)).state()))
    assert (one.live, one.ended, one.epoch) == ([], [], 6)


def test_the_outcome_of_a_trial_in_training_is_that_of_stopping_it() -> None:
    one = halfway(TRIALS, epochs=3)
    found = one.outcome(3)
    assert one.live == [0, 3, 4] and not one.ended
    one.stop([3])
    assert found == ended(one)[3]
    assert (found.state, found.epochs, found.metrics["parameters"]) == (
        TrialState.PRUNED,
        3,
        one._stack.members.layout.size,
    )


@pytest.mark.parametrize("dropped", [[3], [0, 4]])
def test_trials_are_dropped_without_an_outcome(dropped: list[int]) -> None:
    others = curves(run(cohort(TASK, TRIALS)))
    one = cohort(TASK, TRIALS)
    one.advance()
    one.drop(dropped)
    assert not one.ended
    kept = curves(run(one))
    assert kept.keys() == TRIALS.keys() - set(dropped)
    assert all(kept[n] == pytest.approx(others[n], rel=1e-6) for n in kept)


def test_hyperparameters_change_only_where_the_plan_says_so() -> None:
    one = cohort(TASK, TRIALS)
    with pytest.raises(ValueError, match="^hyperparameters change only"):
        one.change({"dropout": 0.5})
