"""Exploiting inside a cohort: exact copies, changed hyperparameters, and a schedule that can be replayed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from search_spaces.errors import StudyError, TaskError
from search_spaces.space import Space
from tests.trainables.builders import (  # fmt: skip
    Curve,
    PlainLoop,
    as_loop,
    cohort,
    data_of,
    keys_of,
    make,
    member_rows,
    members,
    run,
    tensors_of,
    train,
    worst_difference,
)
from tests.trainables.refits import refitted
from trainables.cohort import Cohort
from trainables.data.folds import search_splits
from trainables.recipe import Recipe
from trainables.shape import check_changeable
from trainables.stack.fused import Fused
from trainables.stack.loop import Loop
from trainables.stack.strategy import Strategy

from search_spaces.study.sections import TaskOptions  # isort: skip

TASK = Curve()
TRIALS = {n: {"lr": 0.002 * (n + 1), "dropout": 0.1 * n, "optimizer": "adam"} for n in range(4)}
STATE = {"theta", "slots.0", "slots.1", "progress.count"}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adadelta"])
def test_a_copy_equals_its_parent_exactly_optimizer_included(fused: bool, optimizer: str) -> None:
    trials = {n: {**params, "optimizer": optimizer} for n, params in TRIALS.items()}
    one = cohort(TASK, trials, changing=True)
    if not fused:
        as_loop(one._stack)
    one.advance()
    one.exploit(2, 0, {**trials[0], "lr": 0.02, "dropout": 0.25})
    rows = one._rows()
    for parent, copy in zip(rows[0], rows[2], strict=True):
        for name, tensor in tensors_of(one._stack.members).items():
            if name in STATE:
                assert torch.equal(tensor[copy], tensor[parent]), name
        assert float(one._stack.lr[copy]) == 0.02
        assert float(one._stack.lr[parent]) == 0.002
    rates = {float(t[rows[2][0]]) for name, t in one._stack.members.buffers.items() if name.endswith(".p")}
    assert rates == {0.25}
    before = one._stack.members.theta[rows[0]].clone()
    one.advance()
    assert not torch.equal(one._stack.members.theta[rows[0]], before)
    assert not torch.equal(one._stack.members.theta[rows[2]], one._stack.members.theta[rows[0]])


@pytest.mark.parametrize("kind", [Fused, Loop])
def test_changed_hyperparameters_are_those_of_torch_from_then_on(kind: type[Strategy]) -> None:
    first = Recipe(optimizer="adam", lr=0.01, schedule="exponential", gamma=0.9, weight_decay=0.01)
    then = Recipe(optimizer="adam", lr=0.03, schedule="exponential", gamma=0.8, weight_decay=0.2, l2=0.01)
    networks, data, rows, keys = members(TASK, 2), data_of(TASK), member_rows((24, 16)), keys_of(2)
    stack = make(kind, TASK, networks, [first] * 2, 8)
    loops = [PlainLoop(network, first, 8) for network in networks]
    for epoch in range(1, 9):
        if epoch == 5:
            stack.change(1, then, {})
            group = loops[1].optimizer.param_groups[0]
            group["lr"] *= 3
            group["weight_decay"], loops[1].l2, loops[1].schedule.gamma = 0.2, 0.01, 0.8
        for batch in train(stack, data, rows, keys, range(epoch, epoch + 1)):
            for m, loop in enumerate(loops):
                used = batch.shares[m] > 0
                if used.any():
                    loop.step(data.inputs[batch.rows][m, used], data.targets[batch.rows][m, used], batch.keys[m])
        for loop in loops:
            loop.end_epoch(data)
    assert stack.lr.tolist() == pytest.approx([loop.lr for loop in loops], rel=1e-12)
    assert worst_difference(stack, loops) <= 1e-9


def explored(one: Cohort) -> Cohort:
    """Train it with two rounds: 1 from 3 after epoch 2, then 2 from 1 after epoch 4."""
    while one.live:
        one.advance()
        if one.epoch == 2:
            one.exploit(1, 3, {**TRIALS[3], "lr": 0.009})
        if one.epoch == 4:
            one.exploit(2, 1, {**one.params(1), "lr": 0.012, "dropout": 0.05})
    return one


def test_a_trial_knows_the_schedule_its_best_network_followed() -> None:
    outcomes = {o.number: o for o in explored(cohort(TASK, TRIALS, changing=True)).ended}
    second, third = {**TRIALS[3], "lr": 0.009}, {**TRIALS[3], "lr": 0.012, "dropout": 0.05}
    assert outcomes[0].schedule == outcomes[3].schedule == ()
    assert min(outcomes[n].best_epoch for n in (1, 2)) > 4
    assert outcomes[1].schedule == ((0, TRIALS[3]), (2, second))
    assert outcomes[2].schedule == ((0, TRIALS[3]), (2, second), (4, third))
    assert '"lr": 0.012' in str(outcomes[2].attributes()["schedule"])


def test_a_schedule_ends_with_the_best_epoch() -> None:
    one = cohort(TASK, {0: TRIALS[0]}, epochs=12, changing=True)
    while one.live:
        one.advance()
        if one.epoch == 6:
            one.change({**TRIALS[0], "lr": 5.0})  # ruins it
    assert one.ended[0].best_epoch <= 6
    assert one.ended[0].schedule == ()


def test_a_trial_without_dropout_may_get_some() -> None:
    trials = {n: {"lr": 0.01, "dropout": 0.0} for n in range(3)}
    one = cohort(TASK, trials, changing=True)
    one.advance()
    one.exploit(0, 1, {"lr": 0.01, "dropout": 0.5})
    assert run(one).ended[0].state is TrialState.COMPLETE


def test_what_a_checkpoint_holds_goes_on_alike() -> None:
    undisturbed = {o.number: o for o in explored(cohort(TASK, TRIALS, changing=True)).ended}
    first = cohort(TASK, TRIALS, changing=True)
    for _ in range(3):
        first.advance()
        if first.epoch == 2:
            first.exploit(1, 3, {**TRIALS[3], "lr": 0.009})
    saved = first.state()
    resumed = {o.number: o for o in explored(cohort(TASK, TRIALS, changing=True, saved=saved)).ended}
    for number, outcome in undisturbed.items():
        assert resumed[number].curve == outcome.curve
        assert resumed[number].schedule == outcome.schedule


def test_the_refit_replays_the_schedule() -> None:
    trial = {0: {"lr": 0.01, "dropout": 0.2}}
    schedule = ((0, trial[0]), (2, {"lr": 0.05, "dropout": 0.0}), (5, {"lr": 0.001, "dropout": 0.4}))
    one = cohort(TASK, trial, epochs=8, folds=1, changing=True, keep_best=True)
    plan, data = one.plan, one.data
    while one.live:
        for epoch, params in schedule[1:]:
            if epoch == one.epoch:
                one.change(params)
        one.advance()
    arrays = (data.inputs.numpy(), data.targets.numpy())
    refit = refitted(TASK, arrays, plan, schedule[0][1], [0], schedule)
    assert [row["validation_loss"] for row in refit.history] == [value for _, value in one.ended[0].curve]
    assert refit.params == schedule[-1][1]
    assert [row["lr"] for row in refit.history] == [0.01] * 2 + [0.05] * 3 + [0.001] * 3


def test_a_change_that_breaks_a_rule_is_refused() -> None:
    one = cohort(TASK, TRIALS, changing=True)
    one.advance()
    with pytest.raises(TaskError, match=r"^lr: must be a number above 0, got -1"):
        one.exploit(0, 1, {"lr": -1.0})


@pytest.mark.parametrize(
    ("space", "name"), [({"width": [4, 8]}, "width"), ({"activation": ["tanh", "relu"]}, "activation"), ({}, None)]
)
def test_parameters_of_the_network_itself_are_refused(space: dict[str, Any], name: str | None) -> None:
    dataset = TASK.load(None)
    splits = search_splits(dataset, TaskOptions(folds=2))
    parsed = Space.parse({"lr": {"low": 0.1, "high": 0.2}, "dropout": {"low": 0.0, "high": 0.5}, **space})
    if name is None:
        check_changeable(TASK, parsed, splits, torch.device("cpu"))
        return
    with pytest.raises(StudyError, match=rf"^space\.{name}: changes the network itself"):
        check_changeable(TASK, parsed, splits, torch.device("cpu"))
