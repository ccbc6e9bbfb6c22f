"""Random layers that a stack can drive: each member has its own key, and its own rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainables.stack.rng import fold_in, random_bits, uniform


class KeyedModule(nn.Module):
    """A module that draws random numbers while training.

    The stack sets ``key`` (int64, one per member) before every step; the numbers are a function of the key, of the
    layer's ``place`` in the network, and of the position in the tensor.
    """

    key: Tensor

    def __init__(self, place: int = 0) -> None:
        super().__init__()
        self.place = place
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def bits(self, shape: Sequence[int]) -> Tensor:
        """Uniform random int64 of one member, of the given shape."""
        here = fold_in(self.key, torch.tensor(self.place, device=self.key.device))
        return random_bits(here, math.prod(shape)).reshape(*shape)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Uniform random float32 in [0, 1) of one member, of the given shape."""
        return uniform(self.bits(shape))


class MemberDropout(KeyedModule):
    """Inverted dropout (Srivastava et al., JMLR 2014) whose rate is a tensor: rates differ freely in a stack."""

    p: Tensor

    def __init__(self, p: float, place: int) -> None:
        super().__init__(place)
        self.register_buffer("p", torch.tensor(p, dtype=torch.float64), persistent=False)
        self.off = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) to the same shape; the identity when not training, or switched off."""
        if self.off or not self.training:
            return x
        # int64 bits are uniform on [-2^63, 2^63): a share p of them lies below this threshold.
        threshold = ((self.p - 0.5) * 2.0**64).clamp(max=2.0**63 - 1024).to(torch.int64)
        scale = torch.where(self.p < 1, 1 / (1 - self.p), 0.0).to(x.dtype)
        return x * (self.bits(x.shape) >= threshold) * scale


def replace_dropout(network: nn.Module) -> nn.Module:
    """Return ``network`` with every ``nn.Dropout`` replaced by a :class:`MemberDropout` of the same rate.

    Keyed modules are numbered by their place, so that two of them never draw the same numbers.
    """
    place = 0
    for parent in list(network.modules()):
        for name, child in list(parent._modules.items()):  # under each of its names, unlike named_children
            if type(child) is nn.Dropout:
                child = MemberDropout(child.p, place)
                setattr(parent, name, child)
            if isinstance(child, KeyedModule):
                child.place = place
                place += 1
    if type(network) is nn.Dropout:
        return MemberDropout(network.p, 0)
    return network


def switch_off_idle_dropout(networks: Sequence[nn.Module]) -> None:
    """Where no network ever drops anything, dropout would change no number, and cost time."""
    layers = [module for network in networks for module in network.modules() if isinstance(module, MemberDropout)]
    if not any(float(layer.p) for layer in layers):
        for layer in layers:
            layer.off = True
