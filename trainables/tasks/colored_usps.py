"""USPS digits in five random colours (Taillandier, Garrido, Bonnet 2021): tell digit and colour at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from search_spaces.errors import TaskError
from search_spaces.study.fields import Seed
from trainables.data.dataset import Dataset, Pair
from trainables.data.readers.images import usps
from trainables.layers.networks import Convolution, convolutions, mlp, whole
from trainables.options import checked
from trainables.task import Task
from trainables.tasks.images import AUGMENTATION, CLASSES, input_layers
from trainables.tasks.usps import usps_split

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "magenta": (1, 0, 1)}
SHAPE = (3, 16, 16)
TRAIN, TEST = 0, 1
"""Training and test images draw their colours from different branches of one seed."""


class ColoredUsps(Task):
    """Classify digit and colour of 3x16x16 images with one network of two heads, by the sum of two cross-entropies.

    Targets are (N, 2): digit and colour. Outputs are (B, 15): ten digit logits, then five colour logits.

    The network: a shared convolution, then for each head a convolution of its own and a linear layer. A convolution
    with 0 filters is left out. Without any convolution, a shared dense layer of ``hidden`` units may take their place;
    with ``hidden: 0`` the network is linear.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "shared_filters": 150,
        "shared_kernel": 5,
        "digit_filters": 900,
        "colour_filters": 0,
        "head_kernel": 3,
        "hidden": 0,
        "activation": "relu",
        "dropout": 0.0,
        **AUGMENTATION,
    }

    @checked
    def __init__(self, colour_seed: Annotated[Seed, Field(description="seed of the random colours")] = 0) -> None:
        self.colour_seed = colour_seed

    def load(self, data_dir: Path | None) -> Dataset:
        """The split of the task ``usps``, coloured."""
        train, validation = usps_split(*self._coloured(data_dir, train=True))
        return Dataset(*train, validation=validation, test=lambda: self._coloured(data_dir, train=False))

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """Images (B, 3, 16, 16) to logits (B, 15)."""
        for name in ("shared_filters", "digit_filters", "colour_filters", "hidden"):
            whole(params, name, 0)
        for name in ("shared_kernel", "head_kernel"):
            whole(params, name, 1, min(SHAPE[1:]))
        if params["hidden"] and (params["shared_filters"] or params["digit_filters"] or params["colour_filters"]):
            raise TaskError(f"hidden: must be 0 where there are convolutions, got {params['hidden']}")
        layers = input_layers(SHAPE[0], params)
        if params["hidden"]:
            widths = [math.prod(SHAPE), params["hidden"], CLASSES + len(COLOURS)]
            layers["flatten"] = nn.Flatten()
            layers["dense"] = mlp(widths, params["activation"], params["dropout"])
        else:
            layers["shared"], shape = _convolution(SHAPE, params["shared_filters"], params["shared_kernel"], params)
            layers["heads"] = _Heads(
                _head(shape, params["digit_filters"], CLASSES, params),
                _head(shape, params["colour_filters"], len(COLOURS), params),
            )
        return nn.Sequential(layers)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the cross-entropies of digit and colour, (B,)."""
        losses = self._losses(outputs, targets)
        return losses["digit_loss"] + losses["colour_loss"]

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and accuracy of each head."""
        digit, colour = outputs[:, :CLASSES], outputs[:, CLASSES:]
        return {
            "digit_accuracy": (digit.argmax(dim=-1) == targets[:, 0]).to(torch.float32),
            "colour_accuracy": (colour.argmax(dim=-1) == targets[:, 1]).to(torch.float32),
            **self._losses(outputs, targets),
        }

    def _losses(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        cross_entropy = nn.functional.cross_entropy
        return {
            "digit_loss": cross_entropy(outputs[:, :CLASSES], targets[:, 0], reduction="none"),
            "colour_loss": cross_entropy(outputs[:, CLASSES:], targets[:, 1], reduction="none"),
        }

    def _coloured(self, data_dir: Path | None, train: bool) -> Pair:
        images, digits = usps(data_dir, train)
        rng = np.random.default_rng([self.colour_seed, TRAIN if train else TEST])
        colours = rng.integers(len(COLOURS), size=len(images))
        palette = np.array(list(COLOURS.values()), dtype=images.dtype)
        return images * palette[colours][:, :, None, None], np.stack([digits, colours], axis=1)


class _Heads(nn.Module):
    """Two heads side by side, their logits concatenated."""

    def __init__(self, digit: nn.Module, colour: nn.Module) -> None:
        super().__init__()
        self.digit = digit
        self.colour = colour

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 15)."""
        return torch.cat([self.digit(x), self.colour(x)], dim=1)


def _convolution(
    shape: tuple[int, int, int], filters: int, kernel: int, params: Mapping[str, Any]
) -> tuple[nn.Module, tuple[int, int, int]]:
    """A convolution with pooling, or nothing where there are no filters; and the shape behind it."""
    if not filters:
        return nn.Identity(), shape
    return convolutions(shape, [Convolution(filters, kernel)], "same", params["activation"])


def _head(shape: tuple[int, int, int], filters: int, classes: int, params: Mapping[str, Any]) -> nn.Module:
    layers, left = _convolution(shape, filters, params["head_kernel"], params)
    return nn.Sequential(layers, nn.Flatten(), nn.Dropout(params["dropout"]), nn.Linear(math.prod(left), classes))
