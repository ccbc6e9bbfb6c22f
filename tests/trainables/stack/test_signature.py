"""Which networks may share a stack, and what becomes of networks that cannot be fused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces.errors import TaskError
from tests.trainables.builders import CPU, Curve, curve_task
from trainables.layers.keyed import replace_dropout
from trainables.layers.networks import ACTIVATIONS, mlp
from trainables.shape import build
from trainables.stack.rng import root_key
from trainables.stack.signature import signature, why_not_fused


class Power(nn.Module):
    """A layer with whatever attributes a test gives it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        for name, value in attributes.items():
            setattr(self, name, value)


def test_different_activations_never_share() -> None:
    assert len({signature(mlp([3, 4, 1], name)) for name in ACTIVATIONS}) == len(ACTIVATIONS)


def test_the_same_configuration_shares_whatever_its_weights_and_rates() -> None:
    networks = [build(Curve(), {**Curve.defaults, "dropout": rate}, key) for key, rate in enumerate((0.0, 0.1, 0.5))]
    assert len({signature(n) for n in networks}) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda i: nn.LeakyReLU((0.1, 0.2)[i]),
        lambda i: nn.Linear(3, 4 + i),
        lambda i: nn.Linear(3, 4, bias=bool(i)),
        lambda i: nn.Linear(3, 4, dtype=(torch.float32, torch.float64)[i]),
        lambda i: nn.Linear(3, 4).requires_grad_(bool(i)),
        lambda i: Power(exponent=i),
        lambda i: Power(function=(torch.sin, torch.cos)[i]),
        lambda i: Power(function=functools.partial(torch.clamp, min=i)),
        lambda i: Power(nested={"a": [1, {"b": i}]}),
        lambda i: Power(table=torch.tensor([1.0, i])),
        lambda i: Power(function=lambda x: x + i),
    ],
)
def test_any_other_difference_never_shares(make: Callable[[int], nn.Module]) -> None:
    assert signature(make(0)) != signature(make(1))


def test_equal_attributes_share_and_lambdas_do_not() -> None:
    assert signature(Power(table=torch.tensor([1.0, 2.0]))) == signature(Power(table=torch.tensor([1.0, 2.0])))
    assert signature(Power(function=torch.sin)) == signature(Power(function=torch.sin))
    assert signature(Power(function=lambda x: x)) != signature(Power(function=lambda x: x))


def test_classes_made_in_a_function_never_share() -> None:
    def network(exponent: int) -> nn.Module:
        class Own(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(3, 1)

            def forward(self, x: Tensor) -> Tensor:
                return self.layer(x) ** exponent

        return Own()

    one = network(1)
    assert signature(one) == signature(one)
    assert signature(one) != signature(network(2))


def test_dropout_before_or_after_the_activation_differs() -> None:
    a = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.1), nn.ReLU())
    b = nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Dropout(0.1))
    assert signature(replace_dropout(a)) != signature(replace_dropout(b))


def test_building_is_a_function_of_the_key_and_leaves_torch_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (build(Curve(), Curve.defaults, root_key(k)) for k in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: 3, "must return a torch.nn.Module, got int"),
        (lambda: nn.ReLU(), "needs parameters to train, all of one floating type, got none"),
        (lambda: nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double()), "got torch.float32, torch.float64"),
    ],
)
def test_what_is_no_network_is_refused(network: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        build(curve_task(network), {}, 0)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(3), nn.InstanceNorm1d(3, track_running_stats=True), nn.LSTM(3, 3), nn.Conv1d(3, 3, 1)]
)
def test_layers_that_are_trained_one_by_one(layer: nn.Module) -> None:
    assert type(layer).__name__ in (why_not_fused(nn.Sequential(nn.Linear(3, 3), layer), CPU) or "")


def test_dense_networks_are_fused_and_convolutions_on_a_gpu_too() -> None:
    assert why_not_fused(mlp([3, 4, 1], dropout=0.5), CPU) is None
    assert why_not_fused(nn.Conv1d(3, 3, 1), torch.device("cuda")) is None
