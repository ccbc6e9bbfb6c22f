"""The fused strategy: one batched computation for all members.

``torch.func.vmap`` over the gradient of one member's loss is traced once into plain tensor calls (``make_fx``), which
then run without vmap's own overhead and give the same numbers. A trace holds for one number of members and one batch
shape; ``traces`` is shared by all stacks of a worker, so that a signature which comes back costs nothing.
"""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from search_spaces.errors import TunefleetError
from trainables.stack.loop import Loop
from trainables.stack.members import Members
from trainables.stack.signature import signature
from trainables.stack.strategy import Strategy
from trainables.stack.values import Values, sample_loss, sample_values
from trainables.task import Task

Traces = MutableMapping[tuple[Any, ...], Callable[..., Any]]

MOST_TRACES = 256
"""Traces that a worker keeps: a search over widths meets a new shape with every trial."""

MIXING = 1e-5
"""How much of a gradient may come from a row of weight 0: rounding, since some GPU kernels add in any order."""


class NotFusable(TunefleetError):
    """This network cannot be traced faithfully; its members must be trained one by one."""


class Fused(Strategy):
    """All members in one batched computation.

    Args:
        task: gives the loss and the metrics.
        network: any member's; all have its signature.
        members: their tensors.
        traces: traced computations to share with other stacks.
    """

    name = "fused"
    shrink_below = 0.75  # a new size costs a trace, of 50 ms and more

    def __init__(self, task: Task, network: nn.Module, members: Members, traces: Traces) -> None:
        super().__init__(members)
        self._task, self._traces = task, traces
        self._network = network.to(members.theta.device)
        self._signature = signature(network)
        self._bind()

    def gradients(self, inputs: Tensor, targets: Tensor, shares: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Strategy.gradients`. Raises whatever the computation raises, for no member in particular."""
        arguments = (self._parameters, self._buffers, keys, inputs, targets, shares)
        loss, grad = self._traced(True, arguments)(*arguments)
        return loss, grad

    def evaluate(self, inputs: Tensor, targets: Tensor, shares: Tensor) -> Values:
        """See :meth:`Strategy.evaluate`."""
        arguments = (self._parameters, self._buffers, inputs, targets, shares)
        values: Values = self._traced(False, arguments)(*arguments)
        return values

    def keep(self, members: Members, rows: Sequence[int]) -> None:
        """See :meth:`Strategy.keep`."""
        self.members = members
        self._bind()

    def fallback(self, why: str) -> Strategy:
        """The same members one by one, of whom only the culprit will raise."""
        return Loop(self._task, [copy.deepcopy(self._network) for _ in range(len(self.members))], self.members, why)

    def _bind(self) -> None:
        members = self.members
        self._parameters = members.layout.views(members.theta)
        self._buffers = [members.buffers[name] for name in members.layout.buffers]

    def _traced(self, training: bool, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        inputs, targets = arguments[-3:-1]
        theta = self.members.theta
        key = (
            self._signature, training, len(theta), inputs.shape, inputs.dtype, targets.shape, targets.dtype,
            theta.dtype, theta.device,
        )  # fmt: skip
        if key not in self._traces:
            while len(self._traces) >= MOST_TRACES:
                del self._traces[next(iter(self._traces))]
            self._traces[key] = self._trace(self._loss_and_gradient if training else self._values, training, arguments)
        return self._traces[key]

    def _trace(self, function: Callable[..., Any], training: bool, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        self._network.train(training)
        untouched = copy.deepcopy(self._network)
        # Views of a copy: a trace holds for strides as well, and those of a view are not those of its copy.
        parameters = self.members.layout.views(self.members.theta.clone())
        try:
            return self._checked(function, training, (parameters, *_copies(arguments[1:])))
        except Exception:
            self._network = untouched  # whoever goes on with it must not notice that it has run
            raise

    def _checked(self, function: Callable[..., Any], training: bool, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        before = (signature(self._network), _python_random_state())
        with torch.no_grad():
            graph = make_fx(lambda *a: function(*a))(*arguments)  # make_fx miscounts the arguments of methods
        if before != (signature(self._network), _python_random_state()):
            raise NotFusable("the network changes its attributes or draws from Python's random numbers as it runs")
        for node in graph.graph.nodes:
            schema = getattr(node.target, "_schema", None)
            if schema is not None and schema.is_mutable and getattr(node.args[0], "op", "") == "placeholder":
                raise NotFusable("the network writes into a buffer as it runs")
        if training:
            _refuse_mixed_rows(graph, arguments)
        return graph

    def _loss_and_gradient(
        self, parameters: list[Tensor], buffers: list[Tensor], keys: Tensor, x: Tensor, y: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor]:
        def loss(
            parameters: list[Tensor], buffers: list[Tensor], key: Tensor, x: Tensor, y: Tensor, w: Tensor
        ) -> Tensor:
            outputs = self._outputs(parameters, buffers, x, key)
            return (sample_loss(self._task, outputs, y) * w).sum()

        grads, losses = vmap(grad_and_value(loss))(parameters, buffers, keys, x, y, w)
        return losses, torch.cat([g.reshape(len(g), -1) for g in grads], dim=1)

    def _values(self, parameters: list[Tensor], buffers: list[Tensor], x: Tensor, y: Tensor, w: Tensor) -> Values:
        def sums(parameters: list[Tensor], buffers: list[Tensor], x: Tensor, y: Tensor, w: Tensor) -> Values:
            values = sample_values(self._task, self._outputs(parameters, buffers, x, None), y)
            return {name: (value * w).sum() for name, value in values.items()}

        return vmap(sums)(parameters, buffers, x, y, w)

    def _outputs(self, parameters: list[Tensor], buffers: list[Tensor], x: Tensor, key: Tensor | None) -> Tensor:
        tensors = self.members.layout.every_place(parameters, buffers, key)
        given = dict(tensors)
        # Puts into ``tensors`` what the network put in their place.
        outputs = functional_call(self._network, tensors, (x,), tie_weights=False)
        if any(tensors[name] is not tensor for name, tensor in given.items()):
            raise NotFusable("the network replaces a buffer as it runs")
        return outputs  # type: ignore[no-any-return]


def _copies(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tracing computes, and a network may write into what it computes with."""
    return tuple([t.clone() for t in a] if isinstance(a, list) else a.clone() for a in arguments)


def _python_random_state() -> tuple[object, bytes]:
    return random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002 - looked at, never drawn from


def _refuse_mixed_rows(graph: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Padding must not matter: where a row of weight 0 changes its member's gradient, rows influence each other."""
    *others, inputs, targets, shares = arguments
    if inputs.shape[1] < 2:
        return
    shares, changed = shares.clone(), inputs.clone()
    shares[:, -1] = 0
    changed[:, -1] = inputs[:, 0]
    with torch.no_grad():
        _, plain = graph(*others, inputs, targets, shares)
        _, mixed = graph(*others, changed, targets, shares)
    plain, mixed = plain.nan_to_num(), mixed.nan_to_num()
    if (plain - mixed).abs().max() > MIXING * plain.abs().max():
        raise NotFusable("the rows of a batch influence each other")
