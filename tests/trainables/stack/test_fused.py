"""Networks that cannot be traced faithfully are refused, and trained one by one instead, with the same result."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.trainables.builders import (
    CPU,
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
    train,
)
from trainables.data.batches import MemberRows
from trainables.passes import member_key
from trainables.recipe import Recipe
from trainables.shape import build
from trainables.stack.choose import choose
from trainables.stack.fused import Fused, NotFusable
from trainables.stack.loop import Loop
from trainables.stack.members import Members


class Dense(nn.Module):
    """One hidden layer; the subclasses misbehave."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(torch.tanh(self.first(x))))

    def middle(self, x: Tensor) -> Tensor:
        return x


class Counting(Dense):
    """Its output depends on how often it was called while training."""

    calls = 0

    def middle(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls = self.calls + 1
        return x * (1 + self.calls)


class Branching(Dense):
    def middle(self, x: Tensor) -> Tensor:
        return x * random.random()


class Writing(Dense):
    """Writes a buffer; the output depends on it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(4))

    def middle(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen.add_(x.detach().mean(0))
        return x + self.seen


class Assigning(Writing):
    """Puts a new tensor in the buffer's place."""

    def middle(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen = 0.9 * self.seen + x.detach().mean(0)
        return x + self.seen


class Centring(Dense):
    def middle(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Features(Dense):
    """Every network has random features of its own, as a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torch.randn(4)

    def middle(self, x: Tensor) -> Tensor:
        return x * self.features.to(x.dtype)


class Keyed(Dense):
    """A buffer that happens to be called key."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("key", torch.randn(4))

    def middle(self, x: Tensor) -> Tensor:
        return x * self.key


class Noisy(Dense):
    def middle(self, x: Tensor) -> Tensor:
        return functional.dropout(x, 0.3, self.training)


class Normed(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


REFUSED = [
    (Counting, "changes its attributes"),
    (Branching, "Python's random"),
    (Writing, "writes into a buffer"),
    (Assigning, "replaces a buffer"),
    (Centring, "rows of a batch influence each other"),
]


@pytest.mark.parametrize(("network", "message"), REFUSED)
def test_unfaithful_networks_are_refused(network: type[Dense], message: str) -> None:
    task = curve_task(network)
    stack = make(Fused, task, members(task, 2), [Recipe()] * 2, 1)
    with pytest.raises(NotFusable, match=message):
        train(stack, data_of(task), member_rows([20, 20]), keys_of(2), range(1, 2))


@pytest.mark.parametrize("network", [Dense, Counting, Writing, Assigning, Centring, Features, Keyed, Normed])
def test_a_cohort_of_them_equals_the_plain_loop(network: type[nn.Module]) -> None:
    task = curve_task(network)
    one = cohort(task, {n: {"optimizer": "sgd", "lr": 0.01 * n, "batch_size": 8} for n in (1, 2)}, epochs=4)
    data = one.data
    loops = {
        (n, f): PlainLoop(build(task, {}, member_key(one.plan, n, f)), Recipe(optimizer="sgd", lr=0.01 * n), 4)
        for n in (1, 2)
        for f in range(2)
    }
    for epoch in range(1, 5):
        results = one.advance()
        for (n, f), loop in loops.items():
            split, keys = one.plan.splits[f], torch.tensor([member_key(one.plan, n, f)])
            for batch in MemberRows([split.train], CPU).batches(8, keys, epoch, torch.float32):
                rows = batch.rows[0][batch.shares[0] > 0]
                loop.step(data.inputs[rows], data.targets[rows], batch.keys[0])
            x, y = data.inputs[split.validation], data.targets[split.validation]
            with torch.no_grad():
                loss = (loop.network.eval()(x) - y).square().mean()
            assert results[n].folds[f] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize("network", [Noisy, Normed, Counting, Assigning])
def test_networks_in_a_loop_are_reproducible_with_and_without_neighbours(network: type[nn.Module]) -> None:
    def trained(numbers: list[int], stop: list[int]) -> dict[int, list[float]]:
        one = cohort(curve_task(network), {n: {"lr": 0.02, "batch_size": 8} for n in numbers})
        one.advance()
        one.stop(stop)
        return curves(run(one))

    whole = trained([1, 2, 3], [])
    assert trained([1, 2, 3], []) == whole
    assert trained([2], [])[2] == whole[2]
    assert trained([1, 2, 3], [1])[3] == whole[3]


def test_attributes_drawn_at_random_are_trained_one_by_one() -> None:
    for task, kind in ((curve_task(Features), Loop), (Curve(), Fused)):
        networks = members(task, 3)
        assert isinstance(choose(task, networks, Members.of(networks, [Recipe()] * 3, CPU), {}), kind)


def test_frozen_parameters_stay_and_buffers_are_each_members_own() -> None:
    def network() -> nn.Module:
        layers: list[Callable[[], nn.Module]] = [lambda: nn.Linear(3, 4), nn.Tanh, lambda: nn.Linear(4, 1)]
        own = nn.Sequential(*(layer() for layer in layers))
        own[0].weight.requires_grad_(False)
        return own

    task = curve_task(network)
    networks = members(task, 3)
    stack = make(Fused, task, networks, [Recipe()] * 3, 2)
    train(stack, data_of(task), member_rows([20, 20, 20]), keys_of(3), range(1, 3))
    for m, own in enumerate(networks):
        assert torch.equal(stack.members.tensors(m)["0.weight"], own[0].weight)
        assert not torch.equal(stack.members.tensors(m)["2.weight"], own[2].weight)
