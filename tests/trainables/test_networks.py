"""Dense networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from search_spaces.errors import TaskError
from trainables.layers.networks import INITIALISATIONS, mlp


def test_layers_in_order() -> None:
    kinds = [type(layer).__name__ for layer in mlp([3, 5, 1], "tanh", 0.1)]
    assert kinds == ["Linear", "Tanh", "Dropout", "Linear"]
    assert mlp([3, 5, 4, 1])(torch.zeros(7, 3)).shape == (7, 1)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_initial_weights_have_the_scale_they_should(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = mlp([400, 200], initialisation=name)[0]
    assert isinstance(layer, nn.Linear)
    expected = {"torch": (1 / 1200) ** 0.5, "kaiming": (2 / 400) ** 0.5, "xavier": (2 / 600) ** 0.5}[name]
    assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=0.02)
    assert bool(layer.bias.any()) == (name == "torch")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "rellu"}, "unknown activation 'rellu'; did you mean 'relu'?"),
        ({"initialisation": "he"}, "unknown initialisation 'he'; valid: kaiming, torch, xavier"),
        ({"widths": [3, 0, 1]}, r"every layer needs at least one unit, got widths \[3, 0, 1\]"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message.replace("?", r"\?")):
        mlp(**{"widths": [3, 1], **arguments})
