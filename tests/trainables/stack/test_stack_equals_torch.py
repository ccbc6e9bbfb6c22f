"""A stack of M members equals M ordinary torch.optim loops on the same batches."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from tests.trainables.builders import (
    COUNTS,
    Curve,
    PlainLoop,
    data_of,
    everything,
    keys_of,
    make,
    member_rows,
    members,
    worst_difference,
)
from trainables.data.batches import Data
from trainables.layers.networks import ACTIVATIONS
from trainables.recipe import SCHEDULES, Recipe
from trainables.stack.fused import Fused
from trainables.stack.loop import Loop
from trainables.stack.optimizers import OPTIMIZERS
from trainables.stack.stack import Stack
from trainables.stack.strategy import Strategy

EPOCHS = 34  # of three steps for each member but the second, which is idle in the third
TASK = Curve()
RATES = (0.0, 0.1, 0.3, 0.5)
LR = {"sgd": 0.02, "adam": 0.01, "adamw": 0.01, "radam": 0.01, "rmsprop": 0.002, "adadelta": 0.5}
STRATEGIES = pytest.mark.parametrize("kind", [Fused, Loop])


def recipe(optimizer: str, m: int, schedule: str) -> Recipe:
    """Every member has numbers of its own."""
    return Recipe(
        optimizer=optimizer,
        lr=LR[optimizer] * (1 + m / 4),
        weight_decay=(0.0, 1e-2, 1e-3, 0.1)[m % 4],
        l2=(1e-2, 0.0, 1e-3, 1e-4)[m % 4],
        momentum=(0.9, 0.5, 0.0, 0.8)[m % 4],
        nesterov=m % 4 == 0,
        schedule=schedule,
        gamma=0.97,
        factor=0.8,
        plateau_patience=1,
        cooldown=1,
    )


def assert_equal_loops(kind: type[Strategy], networks: Sequence[nn.Module], recipes: Sequence[Recipe]) -> Stack:
    """Train a stack and the loops side by side, and compare losses, rates and weights."""
    data, rows, keys = data_of(TASK), member_rows([COUNTS[m % 4] for m in range(len(recipes))]), keys_of(len(recipes))
    wrong = Data(data.inputs, -data.targets)
    stack = make(kind, TASK, networks, recipes, EPOCHS)
    loops = [PlainLoop(n, r, EPOCHS) for n, r in zip(networks, recipes, strict=True)]
    for epoch in range(1, EPOCHS + 1):
        for batch in rows.batches(8, keys, epoch, torch.float64):
            x, y = data.inputs[batch.rows], data.targets[batch.rows]
            losses = stack.step(x, y, batch.shares, batch.keys, batch.idle)
            for m, loop in enumerate(loops):
                used = batch.shares[m] > 0
                if used.any():
                    assert float(losses[m]) == pytest.approx(loop.step(x[m, used], y[m, used], batch.keys[m]), rel=1e-9)
        stack.end_epoch(epoch, stack.strategy.evaluate(*everything(stack, wrong))["loss"])
        for loop in loops:
            loop.end_epoch(data)
    assert stack.lr.tolist() == pytest.approx([loop.lr for loop in loops], rel=1e-12, abs=1e-15)
    assert worst_difference(stack, loops) <= 1e-9
    return stack


@STRATEGIES
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_with_every_schedule(kind: type[Strategy], dropout: bool, optimizer: str) -> None:
    recipes = [recipe(optimizer, m, schedule) for m, schedule in enumerate(SCHEDULES)]
    stack = assert_equal_loops(kind, members(TASK, 4, rates=RATES if dropout else None), recipes)
    plateau = SCHEDULES.index("plateau")
    assert stack.lr[plateau] < recipes[plateau].lr


@STRATEGIES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(kind: type[Strategy], activation: str) -> None:
    networks = members(TASK, 2, rates=(0.1, 0.4), activation=activation)
    assert_equal_loops(kind, networks, [recipe("adam", m, "constant") for m in range(2)])


@STRATEGIES
def test_all_optimizers_in_one_stack(kind: type[Strategy]) -> None:
    recipes = [recipe(name, m, SCHEDULES[m % 4]) for m, name in enumerate(OPTIMIZERS)]
    networks = members(TASK, len(recipes), rates=[RATES[m % 4] for m in range(len(recipes))])
    assert_equal_loops(kind, networks, recipes)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropout", [False, True])
def test_float32_gradients(activation: str, dropout: bool) -> None:
    networks = members(TASK, 4, torch.float32, RATES if dropout else None, activation=activation, width=32)
    data, recipes = data_of(TASK, torch.float32), [Recipe()] * 4
    fused, loop = (make(kind, TASK, networks, recipes, 1) for kind in (Fused, Loop))
    for batch in member_rows().batches(8, keys_of(4), 1, torch.float32):
        arguments = (data.inputs[batch.rows], data.targets[batch.rows], batch.shares, batch.keys)
        (_, a), (_, b) = fused.strategy.gradients(*arguments), loop.strategy.gradients(*arguments)
        error = (a - b).abs().amax(1) / b.abs().amax(1).clamp(min=1e-30)
        assert float(error.max()) <= 1e-5


@STRATEGIES
def test_float32_gradients_equal_float64(kind: type[Strategy]) -> None:
    narrow, wide = (members(TASK, 4, dtype, RATES) for dtype in (torch.float32, torch.float64))
    for short, exact in zip(narrow, wide, strict=True):
        exact.load_state_dict(short.state_dict())
    grads = []
    batch = next(iter(member_rows().batches(8, keys_of(4), 1, torch.float64)))
    for networks, dtype in ((narrow, torch.float32), (wide, torch.float64)):
        data = data_of(TASK, dtype)
        stack = make(kind, TASK, networks, [Recipe()] * 4, 1)
        grads.append(
            stack.strategy.gradients(
                data.inputs[batch.rows], data.targets[batch.rows], batch.shares.to(dtype), batch.keys
            )[1]
        )
    assert float(((grads[0] - grads[1]).abs().amax(1) / grads[1].abs().amax(1)).max()) <= 1e-5
