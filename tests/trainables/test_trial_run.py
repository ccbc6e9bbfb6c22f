"""A trial's curve, best epoch and end."""

from __future__ import annotations

import json

import pytest
from optuna.trial import TrialState

from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import Epoch
from trainables.trial_run import TrialRun


def trial(values: list[float], mode: Mode = "min", latest: bool = False) -> tuple[TrialRun, list[bool]]:
    """A trial after these values, and whether each was the best so far."""
    run = TrialRun(4, {}, Objective(mode=mode), latest)
    return run, [run.record(Epoch(e, v, v, 0.1, {"loss": v}, (v - 1, v + 1))) for e, v in enumerate(values, 1)]


def test_the_best_epoch_is_the_first_best() -> None:
    run, better = trial([3, 2, 2, 4])
    assert better == [True, True, False, False]
    outcome = run.outcome(TrialState.COMPLETE)
    assert (outcome.value, outcome.best_epoch, outcome.epochs) == (2, 2, 4)
    assert outcome.metrics == {"loss": 2, "kfold_best": 2}


def test_max_and_latest() -> None:
    assert trial([3, 2, 4], "max")[0].outcome(TrialState.COMPLETE).value == 4
    assert trial([3, 2, 4], latest=True)[1] == [True, True, True]
    assert trial([3, 2, 4], latest=True)[0].outcome(TrialState.COMPLETE).best_epoch == 3


@pytest.mark.parametrize(("patience", "out"), [(None, False), (3, False), (2, True), (1, True)])
def test_patience(patience: int | None, out: bool) -> None:
    assert trial([3, 2, 2, 4])[0].out_of_patience(patience) is out


def test_kfold_best_needs_folds() -> None:
    run = TrialRun(0, {})
    run.record(Epoch(1, 3.0, 3.0, 0.1, {"loss": 3.0}, (3.0,)))
    assert "kfold_best" not in run.outcome(TrialState.COMPLETE).metrics


def test_a_trial_that_never_trained() -> None:
    outcome = TrialRun(0, {}).outcome(TrialState.FAIL, "why")
    assert (outcome.value, outcome.epochs, outcome.reason) == (None, 0, "why")


def test_state_is_plain_and_restores() -> None:
    run, _ = trial([3, 2, 2.5])
    again = TrialRun(4, {})
    again.restore(json.loads(json.dumps(run.state())))
    assert again == run


def test_a_pruned_trial_counts_with_its_last_epoch() -> None:
    run = TrialRun(0, {})
    for number, value in ((1, 0.5), (2, 0.2), (3, 0.4)):
        run.record(Epoch(number, value, 0.0, 0.0, {"loss": value}, (value,)))
    pruned, complete = run.outcome(TrialState.PRUNED), run.outcome(TrialState.COMPLETE)
    assert (pruned.value, pruned.best_epoch, pruned.metrics["loss"]) == (0.4, 3, 0.4)
    assert (complete.value, complete.best_epoch, complete.metrics["loss"]) == (0.2, 2, 0.2)
