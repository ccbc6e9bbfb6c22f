"""Networks that several tasks share."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

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


def make_activation(name: str, negative_slope: float | None = None) -> nn.Module:
    """An activation by name; ``negative_slope`` is leaky_relu's (0.01 by default) and nobody else's.

    Raises:
        TaskError: for an unknown name.
    """
    if name not in ACTIVATIONS:
        raise TaskError(unknown("activation", name, ACTIVATIONS))
    if name == "leaky_relu" and negative_slope is not None:
        return nn.LeakyReLU(negative_slope)
    return ACTIVATIONS[name]()


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


class ChannelsLast(nn.Module):
    """Lays images (B, C, H, W) out with the channels together, which makes convolutions on a CPU up to twice as fast."""

    def forward(self, x: Tensor) -> Tensor:
        """The same numbers in another order in memory; on other devices nothing is done."""
        if x.device.type != "cpu":
            return x
        b, c, h, w = x.shape
        if c > 1:
            return x.contiguous(memory_format=torch.channels_last)
        # With one channel both layouts are the same memory, and only the strides tell them apart.
        return x.contiguous().as_strided((b, c, h, w), (h * w, 1, w, 1))


def whole(params: Mapping[str, Any], name: str, least: int, most: int = 10_000) -> int:
    """A hyperparameter that counts something.

    Raises:
        TaskError: if it is not a whole number between ``least`` and ``most``.
    """
    count = params[name]
    if isinstance(count, bool) or not isinstance(count, int) or not least <= count <= most:
        raise TaskError(f"{name}: must be a whole number between {least} and {most}, got {count!r}")
    return count


def mlp(
    widths: Sequence[int],
    activation: str = "relu",
    dropout: float = 0.0,
    initialisation: str = "torch",
    negative_slope: float | None = None,
) -> nn.Sequential:
    """A dense network.

    Args:
        widths: numbers of units from input to output, at least two.
        activation: between layers, a key of ``ACTIVATIONS``.
        dropout: rate after each hidden layer.
        initialisation: a key of ``INITIALISATIONS``: PyTorch's own, He et al. 2015 or Glorot and Bengio 2010.
        negative_slope: of leaky_relu.

    Raises:
        TaskError: for an unknown activation or initialisation, or a width below 1.
    """
    if initialisation not in INITIALISATIONS:
        raise TaskError(unknown("initialisation", initialisation, INITIALISATIONS))
    if min(widths) < 1:
        raise TaskError(f"every layer needs at least one unit, got widths {list(widths)}")
    layers: list[nn.Module] = []
    for units_in, units_out in itertools.pairwise(widths):
        layer = nn.Linear(units_in, units_out)
        INITIALISATIONS[initialisation](layer)
        layers += [layer, make_activation(activation, negative_slope), nn.Dropout(dropout)]
    return nn.Sequential(*layers[:-2])


@dataclass(frozen=True)
class Convolution:
    """One convolution of stride 1, with its activation behind it.

    Args:
        filters: number of them.
        kernel: their side, in pixels.
        pool: whether a 2x2 max-pooling follows.
    """

    filters: int
    kernel: int
    pool: bool = True


def convolutions(
    shape: tuple[int, int, int],
    layers: Sequence[Convolution],
    padding: str = "valid",
    activation: str = "relu",
    negative_slope: float | None = None,
) -> tuple[nn.Sequential, tuple[int, int, int]]:
    """Convolutions one after the other.

    Args:
        shape: channels, height and width of an image.
        layers: from input to output.
        padding: ``valid`` for none, ``same`` to keep height and width (odd kernels).
        activation: behind each, a key of ``ACTIVATIONS``.
        negative_slope: of leaky_relu.

    Returns:
        The layers, by telling names, and the shape of their output for one image.

    Raises:
        TaskError: if a layer has no filters, or nothing is left of the image.
    """
    if padding not in ("valid", "same"):
        raise TaskError(unknown("padding", padding, ("valid", "same")))
    made: OrderedDict[str, nn.Module] = OrderedDict(channels_last=ChannelsLast())
    channels, height, width = shape
    for i, layer in enumerate(layers, start=1):
        if layer.filters < 1 or layer.kernel < 1:
            raise TaskError(
                f"filters_{i}, kernel_{i}: must be at least 1, got {layer.filters} filters of side {layer.kernel}"
            )
        made[f"convolution_{i}"] = nn.Conv2d(channels, layer.filters, layer.kernel, padding=padding)
        made[f"activation_{i}"] = make_activation(activation, negative_slope)
        channels = layer.filters
        if padding == "valid":
            height, width = height - layer.kernel + 1, width - layer.kernel + 1
        if layer.pool:
            made[f"pool_{i}"] = nn.MaxPool2d(2)
            height, width = height // 2, width // 2
        if min(height, width) < 1:
            raise TaskError(f"kernel_{i}: nothing is left of an image of {shape[1]}x{shape[2]} behind convolution {i}")
    return nn.Sequential(made), (channels, height, width)
