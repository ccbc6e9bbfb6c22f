"""keep, copy, state and load_state: the survivors never notice."""

from __future__ import annotations

import pytest
import torch

from search_spaces.errors import TaskError
from tests.trainables.builders import (  # fmt: skip
    COUNTS,
    CPU,
    Curve,
    as_loop,
    data_of,
    keys_of,
    make,
    member_rows,
    members,
    tensors_of,
    train,
)
from trainables.layers.keyed import MemberDropout
from trainables.recipe import Recipe
from trainables.refit import predict
from trainables.stack.fused import Fused
from trainables.stack.loop import Loop
from trainables.stack.members import Members
from trainables.stack.stack import Stack
from trainables.stack.strategy import Strategy
from trainables.stack.values import sample_values

TASK = Curve()
DATA = data_of(TASK)
RECIPES = [
    Recipe(optimizer="sgd", lr=0.01, momentum=0.9, l2=1e-3),
    Recipe(optimizer="adam", lr=0.01, schedule="cosine"),
    Recipe(optimizer="adam", lr=0.02, weight_decay=1e-2),
    Recipe(optimizer="rmsprop", lr=0.002, momentum=0.5, schedule="plateau", plateau_patience=0),
]
STRATEGIES = pytest.mark.parametrize(("kind", "tolerance"), [(Fused, 1e-12), (Loop, 0.0)])


def stack_of(kind: type[Strategy]) -> Stack:
    """Four members with dropout."""
    return make(kind, TASK, members(TASK, 4, rates=(0.1, 0.2, 0.3, 0.4)), RECIPES, 12)


@STRATEGIES
@pytest.mark.parametrize("kept", [[0, 2, 3], [3, 1]])
def test_survivors_of_keep_train_on_undisturbed(kind: type[Strategy], tolerance: float, kept: list[int]) -> None:
    whole, part = stack_of(kind), stack_of(kind)
    train(whole, DATA, member_rows(), keys_of(4), range(1, 13))
    rows = member_rows()
    train(part, DATA, rows, keys_of(4), range(1, 6))
    part.keep(kept)
    rows.keep(kept)
    train(part, DATA, rows, keys_of(4)[kept], range(6, 13))
    expected = tensors_of(whole.members)
    for name, tensor in tensors_of(part.members).items():
        assert torch.allclose(tensor, expected[name][kept], rtol=tolerance, atol=tolerance), name


def test_removal_changes_no_batch_and_no_dropout() -> None:
    whole, kept = member_rows(), [3, 0]
    part = member_rows()
    part.keep(kept)
    layer = MemberDropout(0.5, 3)
    for a, b in zip(
        whole.batches(8, keys_of(4), 2, torch.float64), part.batches(8, keys_of(4)[kept], 2, torch.float64), strict=True
    ):
        used = b.shares > 0
        assert torch.equal(a.rows[kept][used], b.rows[used])
        assert torch.equal(a.shares[kept], b.shares)
        assert torch.equal(a.keys[kept], b.keys)
        for m, key in enumerate(b.keys):
            layer.key = key
            mask = layer(torch.ones(8, 5))
            layer.key = a.keys[kept[m]]
            assert torch.equal(mask, layer(torch.ones(8, 5)))


@STRATEGIES
def test_copy_makes_every_tensor_equal(kind: type[Strategy], tolerance: float) -> None:
    stack, other = stack_of(kind), stack_of(kind)
    for one in (stack, other):
        train(one, DATA, member_rows(), keys_of(4), range(1, 4))
    stack.copy(0, 2)
    for name, tensor in tensors_of(stack.members).items():
        assert torch.equal(tensor[2], tensor[0]), name
    rows, keys = member_rows([COUNTS[0]] * 4), torch.full((4,), 5)
    rows.table[:] = rows.table[0].clone()
    train(stack, DATA, rows, keys, range(4, 8))
    assert torch.allclose(stack.members.theta[2], stack.members.theta[0], rtol=tolerance, atol=tolerance)
    train(other, DATA, rows, keys, range(4, 8))
    assert torch.allclose(
        stack.members.theta[[0, 1, 3]], other.members.theta[[0, 1, 3]], rtol=tolerance, atol=tolerance
    )


@STRATEGIES
def test_members_go_on_from_their_state(kind: type[Strategy], tolerance: float) -> None:
    first, networks = stack_of(kind), members(TASK, 4)
    train(first, DATA, member_rows(), keys_of(4), range(1, 6))
    loaded = Members.load(first.members.state(), networks[0], CPU)
    strategy = Loop(TASK, networks, loaded) if kind is Loop else Fused(TASK, networks[0], loaded, {})
    second = Stack(loaded, strategy, 12)
    for stack in (first, second):
        train(stack, DATA, member_rows(), keys_of(4), range(6, 13))
    expected = tensors_of(first.members)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors_of(second.members).items())


def test_a_fused_stack_goes_on_as_a_loop() -> None:
    fused, other = stack_of(Fused), stack_of(Fused)
    for stack in (fused, other):
        train(stack, DATA, member_rows(), keys_of(4), range(1, 6))
    loop = as_loop(fused)
    assert loop.strategy.why_loop == "a test says so"
    for stack in (loop, other):
        train(stack, DATA, member_rows(), keys_of(4), range(6, 13))
    expected = tensors_of(other.members)
    for name, tensor in tensors_of(loop.members).items():
        assert torch.allclose(tensor, expected[name], rtol=1e-12, atol=1e-12), name


def test_both_strategies_evaluate_as_the_networks_do() -> None:
    networks = members(TASK, 4, rates=(0.1, 0.2, 0.3, 0.4))
    shares = torch.rand(4, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = DATA.inputs.expand(4, 40, 3), DATA.targets.expand(4, 40, 1)
    outputs = predict([network.eval() for network in networks], DATA.inputs)
    expected = ((outputs - DATA.targets).square().squeeze(-1) * shares).sum(1)
    for kind in (Fused, Loop):
        assert torch.allclose(stack_of(kind).strategy.evaluate(x, y, shares)["loss"], expected, rtol=1e-12)


def test_a_loss_of_another_shape_is_refused() -> None:
    class Mean(Curve):
        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return (outputs - targets).square().mean()

    with pytest.raises(TaskError, match=r"Mean\.loss: must return one value per sample, shape \(40,\), got \(\)"):
        sample_values(Mean(), DATA.targets, DATA.targets)
