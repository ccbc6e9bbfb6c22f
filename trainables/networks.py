"""Networks that several tasks share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from torch import nn

from search_spaces.errors import TaskError, unknown

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}


def _kaiming(layer: nn.Linear) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


def _xavier(layer: nn.Linear) -> None:
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)


INITIALISATIONS: dict[str, Callable[[nn.Linear], None]] = {
    "torch": nn.Linear.reset_parameters,
    "kaiming": _kaiming,
    "xavier": _xavier,
}


def mlp(
    widths: Sequence[int], activation: str = "relu", dropout: float = 0.0, initialisation: str = "torch"
) -> nn.Sequential:
    """A dense network.

    Args:
        widths: numbers of units from input to output, at least two.
        activation: between layers, a key of ``ACTIVATIONS``.
        dropout: rate after each hidden layer.
        initialisation: a key of ``INITIALISATIONS``: PyTorch's own, He et al. 2015 or Glorot and Bengio 2010.

    Raises:
        TaskError: for an unknown activation or initialisation, or a width below 1.
    """
    if activation not in ACTIVATIONS:
        raise TaskError(unknown("activation", activation, ACTIVATIONS))
    if initialisation not in INITIALISATIONS:
        raise TaskError(unknown("initialisation", initialisation, INITIALISATIONS))
    if min(widths) < 1:
        raise TaskError(f"every layer needs at least one unit, got widths {list(widths)}")
    layers: list[nn.Module] = []
    for units_in, units_out in itertools.pairwise(widths):
        layer = nn.Linear(units_in, units_out)
        INITIALISATIONS[initialisation](layer)
        layers += [layer, ACTIVATIONS[activation](), nn.Dropout(dropout)]
    return nn.Sequential(*layers[:-2])
