"""The loop strategy: members one after the other, each an ordinary module with ordinary autograd.

For networks that cannot be batched (running statistics, recurrent layers), for convolutions on a CPU, for a stack of
one, and for finding out which member of a failing stack is the one that fails.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.errors import reason
from trainables.layers.keyed import KeyedModule
from trainables.recipe import Recipe
from trainables.stack.stack import Stack, Values, sample_loss, sample_values
from trainables.task import Task


class LoopStack(Stack):
    """A stack whose members are modules of their own, with parameters that are views of the stack's rows."""

    def __init__(
        self, task: Task, networks: Sequence[nn.Module], recipes: Sequence[Recipe], epochs: int, device: torch.device
    ) -> None:
        self._networks = [network.to(device) for network in networks]
        self._draws: bool | None = None
        super().__init__(task, self._networks, recipes, epochs, device)

    def gradients(self, inputs: Tensor, targets: Tensor, shares: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Stack.gradients`."""
        losses = torch.full((len(self),), torch.nan, dtype=self.theta.dtype, device=self.device)
        grad = torch.zeros_like(self.theta)
        for m, rows in enumerate((shares > 0).sum(1).tolist()):
            if rows == 0 or m in self.errors:
                continue
            try:
                losses[m] = self._gradient(m, inputs[m, :rows], targets[m, :rows], shares[m, :rows], keys[m], grad[m])
            except Exception as error:  # one member's failure is its own
                self._fail(m, error)
        return losses, grad

    def evaluate(self, inputs: Tensor, targets: Tensor, shares: Tensor) -> Values:
        """See :meth:`Stack.evaluate`."""
        sums: dict[int, Values] = {}
        for m, rows in enumerate((shares > 0).sum(1).tolist()):
            if m in self.errors or rows == 0:
                continue
            try:
                with torch.no_grad():
                    outputs = self._networks[m].eval()(inputs[m, :rows])
                    values = sample_values(self.task, outputs, targets[m, :rows])
                    sums[m] = {name: (value * shares[m, :rows]).sum() for name, value in values.items()}
            except Exception as error:
                self._fail(m, error)
        names = {name for values in sums.values() for name in values} | {"loss"}
        columns = {name: torch.zeros(len(self), dtype=self.theta.dtype, device=self.device) for name in sorted(names)}
        for name, column in columns.items():
            column[list(self.errors)] = torch.nan
            for m, values in sums.items():
                column[m] = values[name]
        return columns

    def predict(self, inputs: Tensor) -> Tensor:
        """See :meth:`Stack.predict`."""
        with torch.no_grad():
            return torch.stack([network.eval()(inputs) for network in self._networks])

    def keep(self, rows: Sequence[int]) -> None:
        """See :meth:`Stack.keep`."""
        self._networks = [self._networks[row] for row in rows]
        super().keep(rows)

    def _bind(self) -> None:
        super()._bind()
        self._parameters: list[list[nn.Parameter]] = []
        self._keyed: list[list[KeyedModule]] = []
        self._buffers: list[list[tuple[dict[str, Tensor | None], str, Tensor]]] = []
        for m, network in enumerate(self._networks):
            own = dict(network.named_parameters())
            buffers = dict(network.named_buffers())
            for name, tensor in self.tensors(m).items():
                (own[name] if name in own else buffers[name]).data = tensor
            self._parameters.append([own[name] for name in self.layout.names])
            self._keyed.append([module for module in network.modules() if isinstance(module, KeyedModule)])
            holders = [module._buffers for module in network.modules() if not isinstance(module, KeyedModule)]
            self._buffers.append([(h, name, b) for h in holders for name, b in h.items() if b is not None])

    def _gradient(self, m: int, x: Tensor, y: Tensor, w: Tensor, key: Tensor, grad: Tensor) -> Tensor:
        network = self._networks[m]
        if not network.training:
            network.train()
        for module in self._keyed[m]:
            module.key = key
        outputs = self._forward(network, x, int(key) if self._draws is not False else 0)
        loss = (sample_loss(self.task, outputs, y) * w).sum()
        grads = torch.autograd.grad(loss, self._parameters[m], allow_unused=True, materialize_grads=True)
        torch.cat([g.reshape(-1) for g in grads], out=grad)
        for holder, name, own in self._buffers[m]:
            replaced = holder[name]
            if replaced is not own and replaced is not None:  # by assignment: the stack's row must have it too
                own.copy_(replaced.detach())
                holder[name] = own
        return loss.detach()

    def _forward(self, network: nn.Module, x: Tensor, key: int) -> Tensor:
        """The network's outputs; torch's own generator, where the network draws from it, is seeded by the key."""
        if self._draws is False:
            return network(x)  # type: ignore[no-any-return]
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(key & (2**63 - 1))
            before = _generator_state(self.device)
            outputs = network(x)
            self._draws = not torch.equal(before, _generator_state(self.device))
        return outputs  # type: ignore[no-any-return]

    def _fail(self, m: int, error: Exception) -> None:
        self.errors[m] = reason(error)


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
