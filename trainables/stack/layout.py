"""Where the tensors of a network lie in a stack: trained parameters in a row of P numbers, the others by name.

A tensor may go by several names: tied weights, or a module that is registered twice. It is kept once, under the first
of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from trainables.layers.keyed import KeyedModule


class Layout:
    """The tensors of a network as it was built.

    Public state: ``parameters``, names of the trained ones, P numbers in all (``size``); ``buffers``, names of buffers
    and of frozen parameters; ``keys``, names of the keys of random layers, which are set anew at each step.
    """

    def __init__(self, network: nn.Module) -> None:
        trained = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
        self.parameters = [name for name, _ in trained]
        self._shapes = [p.shape for _, p in trained]
        ends = list(itertools.accumulate(p.numel() for _, p in trained))
        self._spans = list(zip([0, *ends[:-1]], ends, strict=True))
        self.size = ends[-1]
        keyed = [name for name, module in network.named_modules() if isinstance(module, KeyedModule)]
        self.keys = [f"{name}.key" if name else "key" for name in keyed]
        frozen = [n for n, p in network.named_parameters() if not p.requires_grad]
        self.buffers = frozen + [n for n, _ in network.named_buffers() if n not in self.keys]
        first: dict[int, str] = {}
        self._first = {name: first.setdefault(id(tensor), name) for name, tensor in named_tensors(network)}
        # functional_call puts tensors back in the order it took them: a place that it visits twice keeps the wrong one.
        self._places = {name: self._first[name] for name in _places(network)}

    def row(self, network: nn.Module) -> Tensor:
        """(P,) copy of a network's trained parameters."""
        by_name = dict(network.named_parameters())
        return torch.cat([by_name[n].detach().reshape(-1) for n in self.parameters])

    def views(self, theta: Tensor) -> list[Tensor]:
        """Trained parameters as views of (..., P)."""
        lead = theta.shape[:-1]
        return [theta[..., a:b].view(*lead, *s) for (a, b), s in zip(self._spans, self._shapes, strict=True)]

    def weights(self, theta: Tensor) -> Tensor:
        """(P,) mask of what an L2 penalty covers: matrices and kernels, not biases and scales."""
        mask = torch.zeros_like(theta[0])
        for (a, b), shape in zip(self._spans, self._shapes, strict=True):
            mask[a:b] = float(len(shape) > 1)
        return mask

    def every_name(self, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> dict[str, Tensor]:
        """Tensors of one member, in the order of ``parameters`` and ``buffers``, by each name that they go by."""
        return _by(self._first, dict(zip([*self.parameters, *self.buffers], [*parameters, *buffers], strict=True)))

    def every_place(
        self, parameters: Sequence[Tensor], buffers: Sequence[Tensor], key: Tensor | None
    ) -> dict[str, Tensor]:
        """The same, and the key of all random layers, as ``functional_call(..., tie_weights=False)`` wants them."""
        own = dict(zip([*self.parameters, *self.buffers], [*parameters, *buffers], strict=True))
        return _by(self._places, own if key is None else own | dict.fromkeys(self.keys, key))


def named_tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by each name that they go by."""
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)


def _places(network: nn.Module) -> Iterator[str]:
    """Names of parameters and buffers, each attribute of each module once, however often the module is registered."""
    for prefix, module in network.named_modules():
        for name, _ in module.named_parameters(prefix, recurse=False, remove_duplicate=False):
            yield name
        for name, _ in module.named_buffers(prefix, recurse=False, remove_duplicate=False):
            yield name


def _by(names: dict[str, str], own: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: own[first] for name, first in names.items() if first in own}
