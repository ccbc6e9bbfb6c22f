"""The layers that a task builds its networks from; any ``torch.nn.Module`` will do beside them."""

from trainables.layers.augment import Augment
from trainables.layers.networks import (
    ACTIVATIONS,
    INITIALISATIONS,
    ChannelsLast,
    Convolution,
    convolutions,
    make_activation,
    mlp,
    whole,
)
from trainables.layers.standardise import Standardise

__all__ = [
    "ACTIVATIONS",
    "INITIALISATIONS",
    "Augment",
    "ChannelsLast",
    "Convolution",
    "Standardise",
    "convolutions",
    "make_activation",
    "mlp",
    "whole",
]
