"""Modules that are registered twice and tied weights: each tensor is trained once, under all of its names."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.builders import (
    Curve,
    PlainLoop,
    cohort,
    curve_task,
    curves,
    data_of,
    keys_of,
    make,
    member_rows,
    members,
    run,
    worst_difference,
)
from trainables.layers.keyed import MemberDropout, replace_dropout
from trainables.recipe import Recipe
from trainables.refit import networks_of
from trainables.stack.fused import Fused
from trainables.stack.layout import named_tensors
from trainables.stack.loop import Loop
from trainables.stack.signature import signature
from trainables.stack.strategy import Strategy

RECIPE = Recipe(
    optimizer="adam", lr=0.02, l2=1e-2
)  # no weight decay: torch spares parameters that a network never uses


class Chosen(nn.Module):
    """An activation out of a dictionary, which holds it too."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 1)
        self.acts = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh(), "prelu": nn.PReLU(), "other": nn.PReLU()})
        self.act = self.acts[name]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.first(x)))


class Tied(nn.Module):
    """A matrix, a frozen vector and a buffer in two places each, and dropout under two names."""

    def __init__(self, tied: bool = True) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1)
        self.register_parameter("shift", nn.Parameter(torch.randn(3), requires_grad=False))
        self.first.register_buffer("scale", torch.randn(3))
        if tied:
            self.second.weight = self.first.weight
        self.second.register_parameter("shift", self.shift)
        self.second.register_buffer("scale", self.first.scale)
        self.drop = self.again = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.tanh(self.first(x) * self.second.scale + self.shift))
        x = self.again(torch.tanh(self.second(x) * self.first.scale + self.second.shift))
        return self.last(x)


NETWORKS = [Tied, *(lambda name=name: Chosen(name) for name in ("relu", "tanh", "prelu"))]


@pytest.mark.parametrize("kind", [Fused, Loop])
@pytest.mark.parametrize("network", NETWORKS, ids=["tied", "relu", "tanh", "prelu"])
def test_they_are_trained_as_by_torch(network: Callable[[], nn.Module], kind: type[Strategy]) -> None:
    task, data, rows, keys = curve_task(network), data_of(Curve()), member_rows((24, 16)), keys_of(2)
    networks = members(task, 2)
    stack, loops = make(kind, task, networks, [RECIPE] * 2, 8), [PlainLoop(n, RECIPE, 8) for n in networks]
    for epoch in range(1, 9):
        for batch in rows.batches(8, keys, epoch, torch.float64):
            x, y = data.inputs[batch.rows], data.targets[batch.rows]
            stack.step(x, y, batch.shares, batch.keys, batch.idle)
            for m, loop in enumerate(loops):
                used = batch.shares[m] > 0
                if used.any():
                    loop.step(x[m, used], y[m, used], batch.keys[m])
    assert not stack.strategy.errors
    assert worst_difference(stack, loops) <= 1e-9
    for m, loop in enumerate(loops):
        assert stack.members.tensors(m).keys() >= loop.network.state_dict().keys()


@pytest.mark.parametrize("network", NETWORKS, ids=["tied", "relu", "tanh", "prelu"])
def test_no_network_is_left_with_tensors_of_a_computation(network: Callable[[], nn.Module]) -> None:
    task, data, batch = (
        curve_task(network),
        data_of(Curve()),
        next(iter(member_rows((24, 16)).batches(8, keys_of(2), 1, torch.float64))),
    )
    networks = members(task, 2)
    stack = make(Fused, task, networks, [RECIPE] * 2, 1)
    stack.step(data.inputs[batch.rows], data.targets[batch.rows], batch.shares, batch.keys)
    assert isinstance(stack.strategy, Fused)
    own = dict(named_tensors(stack.strategy._network))
    for name, tensor in named_tensors(networks[0]):
        assert torch.equal(own[name], tensor), name
    assert signature(copy.deepcopy(stack.strategy._network)) == signature(networks[0])


def test_trials_of_other_activations_never_share() -> None:
    assert len({signature(Chosen(name)) for name in ("relu", "tanh", "prelu", "other")}) == 4
    assert signature(Chosen("tanh")) == signature(Chosen("tanh"))
    assert signature(Tied(True)) != signature(Tied(False))


def test_a_cohort_of_them_is_fused_and_its_weights_make_networks() -> None:
    task = curve_task(Tied)
    one = run(cohort(task, {n: {"lr": 0.02} for n in range(2)}, folds=1, keep_best=True))
    assert one.why_loop is None
    rows = one.plan.splits[0].validation
    for outcome in one.ended:
        (network,) = networks_of(task, {}, one.weights[outcome.number])
        with torch.no_grad():
            loss = task.loss(network(one.data.inputs[rows]), one.data.targets[rows]).mean()
        assert float(loss) == pytest.approx(outcome.value, rel=1e-5)
    assert curves(one)[0] != curves(one)[1]


def test_dropout_under_two_names_draws_twice() -> None:
    network = replace_dropout(Tied())
    assert isinstance(network.drop, MemberDropout) and isinstance(network.again, MemberDropout)
    assert (network.drop.place, network.again.place) == (0, 1)
