"""Layers whose statistics come from the training rows of each member's own fold, so that no validation row leaks in."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

CHUNK_NUMBERS = 2**24
"""How many numbers are converted to float64 at a time, which bounds the memory."""


class FittedModule(nn.Module, ABC):
    """A layer that looks at the training data before training.

    :meth:`fit` is called once per member, after the network was built, with that member's training rows. What it
    learns belongs into buffers: they travel with the member, into its checkpoints and into ``best/model.pt``.
    """

    @abstractmethod
    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """Learn from (N, ...) training inputs and (N, ...) targets."""


class Moments(FittedModule):
    """Mean and standard deviation per channel, the first dimension behind the rows; 1 for a channel that is constant."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def learn(self, values: Tensor) -> None:
        """Take mean and deviation of (N, C, ...) values, over rows and all dimensions behind the channels."""
        rows = values.reshape(len(values), len(self.mean), -1)
        chunks = torch.split(rows, max(1, CHUNK_NUMBERS // max(1, rows[0].numel())))
        count = rows.shape[0] * rows.shape[2]
        mean = torch.stack([c.double().sum((0, 2)) for c in chunks]).sum(0) / count
        squares = torch.stack([(c.double() - mean[:, None]).square().sum((0, 2)) for c in chunks])
        std = (squares.sum(0) / count).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 0, std, 1.0))

    def _columns(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation in a shape that broadcasts against (B, C, ...)."""
        shape = (-1, *[1] * (x.ndim - 2))
        return self.mean.view(shape), self.std.view(shape)


class Standardise(Moments):
    """Makes inputs (B, C, ...) floats of mean 0 and standard deviation 1 per channel.

    Put it before the first layer that computes: it is fitted on the inputs as the data set has them.
    """

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """See :meth:`FittedModule.fit`."""
        self.learn(inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) of any number type to floats of the same shape."""
        mean, std = self._columns(x)
        return (x.to(mean.dtype) - mean) / std


def has_fitted_layers(network: nn.Module) -> bool:
    """Whether there is anything to fit."""
    return any(isinstance(module, FittedModule) for module in network.modules())


def fit_layers(network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    """Fit every :class:`FittedModule` of a network on its training rows."""
    for module in network.modules():
        if isinstance(module, FittedModule):
            module.fit(inputs, targets)
