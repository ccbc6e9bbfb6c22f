"""To its trials a cohort is invisible: own curves, own failures, own ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from optuna.trial import TrialState
from torch import Tensor, nn

from tests.trainables.builders import TRIALS, Curve, cohort, curves, data_of, ended, run
from trainables.data.batches import Data
from trainables.refit import networks_of
from trainables.stack.fused import Fused
from trainables.stack.loop import Loop

TASK = Curve()


def test_trials_complete_with_their_best_epoch() -> None:
    one = run(cohort(TASK, TRIALS))
    assert one._stack.strategy.name == Fused.name
    for outcome in one.ended:
        values = [v for _, v in outcome.curve]
        assert outcome.state is TrialState.COMPLETE
        assert outcome.value == min(values) == values[outcome.best_epoch - 1]
        assert [e for e, _ in outcome.curve] == list(range(1, 7))
        assert outcome.metrics["loss"] == outcome.value
        assert outcome.seconds > 0


def test_each_trial_trains_as_if_alone() -> None:
    together = curves(run(cohort(TASK, TRIALS)))
    for number, params in TRIALS.items():
        assert curves(run(cohort(TASK, {number: params})))[number] == pytest.approx(together[number], rel=1e-5)


def test_a_diverging_trial_fails_alone() -> None:
    others = curves(run(cohort(TASK, TRIALS)))
    one = run(cohort(TASK, {**TRIALS, 7: {"lr": 1e30, "optimizer": "sgd"}}))
    assert ended(one)[7].state is TrialState.FAIL
    assert ended(one)[7].reason.startswith("the loss is not finite after epoch")
    for number in TRIALS:
        assert ended(one)[number].state is TrialState.COMPLETE
        assert curves(one)[number] == pytest.approx(others[number], rel=1e-6)


def test_a_configuration_that_cannot_be_built_fails_alone() -> None:
    one = run(cohort(TASK, {0: {"lr": 0.01}, 1: {"activation": "cube"}, 2: {"lr": -1}}))
    assert ended(one)[0].state is TrialState.COMPLETE
    assert ended(one)[1].reason.startswith("unknown activation 'cube'")
    assert ended(one)[2].reason == "lr: must be a number above 0, got -1"


def test_a_cohort_of_nothing_but_failures_is_over() -> None:
    one = cohort(TASK, {1: {"activation": "cube"}})
    assert (one.live, len(one.ended)) == ([], 1)


class Picky(Curve):
    """Its loss raises for large outputs, and looks at them, which vmap forbids."""

    metric = "distance"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.abs().max() > 100:
            raise ValueError("too large")
        return super().loss(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"distance": (outputs - targets).abs().squeeze(-1)}


def test_where_the_fused_step_raises_the_culprit_fails_alone() -> None:
    one = cohort(Picky(), {1: {"lr": 0.01}, 2: {"lr": 1e4}})
    assert one._stack.strategy.name == Fused.name
    run(one)
    assert one._stack.strategy.name == Loop.name
    assert one.why_loop is not None and one.why_loop.startswith("RuntimeError: vmap: ")
    assert (ended(one)[2].reason or "").startswith("ValueError: too large (")
    assert ended(one)[1].state is TrialState.COMPLETE


def test_all_members_may_fail_for_their_own_reason() -> None:
    one = run(cohort(Picky(), {1: {"lr": 1e4}, 2: {"lr": 1e5}}))
    assert [(o.reason or "").startswith("ValueError: too large (") for o in one.ended] == [True] * 2


class Mean(Curve):
    """A loss that is one number, and another metric."""

    metric = "distance"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"distance": (outputs - targets).abs().squeeze(-1)}


def test_a_loss_of_the_wrong_shape_says_so() -> None:
    one = run(cohort(Mean(), {0: {}, 1: {}}))
    assert len(one.ended) == 2
    assert all("Mean.loss: must return one value per sample, shape (" in o.reason for o in one.ended)


def test_a_metric_that_the_task_does_not_return_says_so() -> None:
    class Unmeasured(Curve):
        metric = "accuracy"

    one = run(cohort(Unmeasured(), {0: {}, 1: {}}))
    assert all(o.state is TrialState.FAIL and "unknown metric 'accuracy'" in o.reason for o in one.ended)


def test_patience_ends_a_trial() -> None:
    one = run(cohort(TASK, {0: {"lr": 0.01}, 1: {"lr": 1e-12, "optimizer": "sgd"}}, epochs=20, patience=3))
    assert ended(one)[1].epochs < 20
    assert ended(one)[1].epochs - ended(one)[1].best_epoch == 3
    assert ended(one)[1].state is TrialState.COMPLETE


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_without_validation_the_latest_epoch_is_the_best(metric: str) -> None:
    task = Counter()
    task.metric = metric  # type: ignore[misc]
    one = run(cohort(task, {0: {"lr": 0.5}}, folds=0, patience=1, keep_best=True))
    assert one.ended[0].state is TrialState.COMPLETE
    assert one.ended[0].best_epoch == 6
    assert torch.equal(one.weights[0][0]["0.weight"], one._stack.members.tensors(0)["0.weight"])


class Counter(Curve):
    """A task whose larger metric is better."""

    metric: ClassVar[str] = "accuracy"
    mode = "max"

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"accuracy": ((outputs - targets).abs() < 0.5).double().squeeze(-1)}


def test_large_values_may_be_good() -> None:
    outcome = run(cohort(Counter(), {0: {"lr": 0.05}}, epochs=12)).ended[0]
    assert outcome.value == max(v for _, v in outcome.curve) > outcome.curve[0][1]
    assert outcome.metrics["kfold_best"] >= outcome.value


def test_a_perfect_accuracy_is_exactly_one() -> None:
    task = Counter()
    task.metrics = lambda outputs, targets: {"accuracy": torch.ones(len(targets))}  # type: ignore[method-assign]
    one = run(cohort(task, {0: {"lr": 0.05}}, folds=3, epochs=1))
    assert {len(split.validation) for split in one.plan.splits} == {13, 14}, "13 times 1/13 is not 1"
    assert one.ended[0].value == 1


def test_kfold_best_is_the_mean_of_the_folds_own_best() -> None:
    one = cohort(TASK, {0: {"lr": 0.2}, 1: {"lr": 0.3}}, folds=3, epochs=10)
    folds = [one.advance()[0].folds for _ in range(10)]
    assert ended(one)[0].metrics["kfold_best"] == pytest.approx(np.min(folds, axis=0).mean(), rel=1e-12)
    assert ended(one)[0].value == pytest.approx(np.mean(folds, axis=1).min(), rel=1e-6)


def test_kept_weights_are_those_of_the_best_epoch() -> None:
    one = run(cohort(TASK, {0: {"lr": 0.5}, 1: {"lr": 1.0}}, folds=1, epochs=12, keep_best=True))
    rows = one.plan.splits[0].validation
    for outcome in one.ended:
        assert outcome.best_epoch < 12, "this learning rate must overshoot for the test to mean anything"
        (network,) = networks_of(TASK, TRIALS[0], one.weights[outcome.number])
        with torch.no_grad():
            loss = TASK.loss(network(one.data.inputs[rows]), one.data.targets[rows]).mean()
        assert float(loss) == pytest.approx(outcome.value, rel=1e-5)


def test_stopped_trials_leave_without_a_trace() -> None:
    others = curves(run(cohort(TASK, TRIALS)))
    one = cohort(TASK, TRIALS)
    one.advance()
    one.stop([3])
    assert one.live == [0, 4]
    assert ended(one)[3].state is TrialState.PRUNED
    assert len(ended(one)[3].curve) == 1
    run(one)
    assert all(curves(one)[n] == pytest.approx(others[n], rel=1e-6) for n in (0, 4))


def test_fail_ends_every_trial() -> None:
    one = cohort(TASK, TRIALS)
    one.fail("the machine is on fire")
    assert [(o.number, o.state, o.reason) for o in one.ended] == [
        (n, TrialState.FAIL, "the machine is on fire") for n in TRIALS
    ]


@pytest.mark.parametrize("size", [1000, 20])
def test_batches_as_large_as_the_data_are_full_batches(size: int) -> None:
    full, large = (curves(run(cohort(TASK, {0: {"batch_size": b}}))) for b in ("full", size))
    assert full == large


def test_a_trials_seed_is_its_number() -> None:
    same = curves(run(cohort(TASK, {0: {}, 1: {}})))
    assert same[0] != same[1]
    assert curves(run(cohort(TASK, {1: {}, 0: {}}))) == same


def test_watched_rows_change_nothing() -> None:
    data = data_of(TASK, torch.float32)
    watched = (data.inputs[:5].numpy(), data.targets[:5].numpy())
    plain, watching = cohort(TASK, TRIALS), cohort(TASK, TRIALS, watch=watched)
    for _ in range(6):
        a, b = plain.advance(), watching.advance()
        assert all(a[n].value == b[n].value and math.isfinite(b[n].metrics["test_loss"]) for n in a)


def test_data_on_a_device_is_a_copy() -> None:
    inputs, targets = np.zeros((2, 1), np.float32), np.zeros(2, np.int64)
    inputs.setflags(write=False)
    data = Data.on(torch.device("cpu"), inputs, targets)
    data.inputs.add_(1)
    assert not inputs.any()


def test_a_network_that_raises_while_training_fails_alone() -> None:
    class Raising(Curve):
        def network(self, params: Mapping[str, Any]) -> nn.Module:
            return nn.Sequential(nn.Linear(3, params["width"]), nn.Linear(5, 1))

    one = run(cohort(Raising(), {0: {"width": 4}, 1: {"width": 4}}))
    assert all("shapes cannot be multiplied" in o.reason for o in one.ended)
