"""Classifying images with a convolutional or a dense network: what the image tasks have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from search_spaces.errors import TaskError, unknown
from trainables.data.dataset import Dataset, Pair
from trainables.layers.augment import Augment, Augmentation
from trainables.layers.networks import Convolution, convolutions, mlp, whole
from trainables.layers.standardise import Standardise
from trainables.task import Task

NETWORKS = ("cnn", "dense")
POOLING = ("each", "last")
CLASSES = 10
AUGMENTATION: Mapping[str, Any] = Augmentation().model_dump()
"""Hyperparameters of augmentation, with the values that change nothing."""


class ImageTask(Task):
    """Classify images into ten classes. They stay in memory as uint8 and become floats batch by batch.

    The network: augmentation (while training); inputs standardised per channel by the training rows; with
    ``network: cnn``, ``convolutions`` convolutions; ``layers`` hidden dense layers; ten logits. ``dropout`` follows
    every hidden dense layer, ``conv_dropout`` the convolutions.
    """

    shape: ClassVar[tuple[int, int, int]]
    """Channels, height and width of an image."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "network": "cnn",
        "convolutions": 2,
        "filters_1": 32,
        "filters_2": 64,
        "filters_3": 64,
        "kernel_1": 5,
        "kernel_2": 5,
        "kernel_3": 3,
        "padding": "valid",
        "pooling": "each",
        "conv_dropout": 0.0,
        "layers": 1,
        "width_1": 128,
        "width_2": 64,
        "width_3": 32,
        "activation": "relu",
        "negative_slope": 0.01,
        "initialisation": "torch",
        "dropout": 0.0,
        **AUGMENTATION,
    }

    @abstractmethod
    def read(self, data_dir: Path | None, train: bool) -> Pair:
        """Images (N, C, H, W) of uint8 and labels (N,) of the training or the test split."""

    def load(self, data_dir: Path | None) -> Dataset:
        """Read the training images; the test images are read when they are asked for."""
        return Dataset(*self.read(data_dir, train=True), test=lambda: self.read(data_dir, train=False))

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """Images (B, C, H, W) to logits (B, 10)."""
        if params["network"] not in NETWORKS:
            raise TaskError(f"network: {unknown('network', params['network'], NETWORKS)}")
        layers = input_layers(self.shape[0], params)
        features = math.prod(self.shape)
        if params["network"] == "cnn":
            layers["convolutions"], left = convolutions(
                self.shape, conv_layers(params), params["padding"], params["activation"], params["negative_slope"]
            )
            features = math.prod(left)
        layers["flatten"] = nn.Flatten()
        if params["conv_dropout"]:
            layers["conv_dropout"] = nn.Dropout(params["conv_dropout"])
        layers["dense"] = mlp(
            [features, *self.widths(params), CLASSES],
            params["activation"],
            params["dropout"],
            params["initialisation"],
            params["negative_slope"],
        )
        return nn.Sequential(layers)

    def widths(self, params: Mapping[str, Any]) -> list[int]:
        """Units of the hidden dense layers."""
        return [params[f"width_{i}"] for i in range(1, whole(params, "layers", 0, 3) + 1)]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, (B,)."""
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Accuracy: 1 where the largest output is the label."""
        return {"accuracy": (outputs.argmax(dim=-1) == targets).to(torch.float32)}


def input_layers(channels: int, params: Mapping[str, Any]) -> OrderedDict[str, nn.Module]:
    """Augmentation, where there is any, and standardisation."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    augment = Augment(**{name: params[name] for name in AUGMENTATION})
    if augment.moves or augment.erases:
        layers["augment"] = augment
    layers["standardise"] = Standardise(channels)
    return layers


def conv_layers(params: Mapping[str, Any]) -> list[Convolution]:
    """The convolutions that the hyperparameters describe."""
    if params["pooling"] not in POOLING:
        raise TaskError(f"pooling: {unknown('pooling', params['pooling'], POOLING)}")
    last = whole(params, "convolutions", 0, 3)
    return [
        Convolution(params[f"filters_{i}"], params[f"kernel_{i}"], params["pooling"] == "each" or i == last)
        for i in range(1, last + 1)
    ]
