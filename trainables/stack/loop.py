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
from trainables.stack.layout import named_tensors
from trainables.stack.members import Members
from trainables.stack.strategy import Strategy
from trainables.stack.values import Values, sample_loss, sample_values
from trainables.task import Task


class Loop(Strategy):
    """Members as modules of their own, with parameters that are views of the members' rows.

    Args:
        task: gives the loss and the metrics.
        networks: one per member; they become this object's own.
        members: their tensors.
        why_loop: the reason for this strategy, where there is one.
    """

    name = "loop"

    def __init__(
        self, task: Task, networks: Sequence[nn.Module], members: Members, why_loop: str | None = None
    ) -> None:
        super().__init__(members, why_loop)
        self._task = task
        self._draws: bool | None = None
        device = members.theta.device
        self._modules = [_Module(n.to(device), members, m) for m, n in enumerate(networks)]

    def gradients(self, inputs: Tensor, targets: Tensor, shares: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Strategy.gradients`."""
        theta = self.members.theta
        losses = torch.full((len(theta),), torch.nan, dtype=theta.dtype, device=theta.device)
        grad = torch.zeros_like(theta)
        for m, rows in enumerate((shares > 0).sum(1).tolist()):
            if rows == 0 or m in self.errors:
                continue
            try:
                losses[m] = self._gradient(m, inputs[m, :rows], targets[m, :rows], shares[m, :rows], keys[m], grad[m])
            except Exception as error:  # one member's failure is its own
                self.errors[m] = reason(error)
        return losses, grad

    def evaluate(self, inputs: Tensor, targets: Tensor, shares: Tensor) -> Values:
        """See :meth:`Strategy.evaluate`."""
        theta = self.members.theta
        sums: dict[int, Values] = {}
        for m, rows in enumerate((shares > 0).sum(1).tolist()):
            if m in self.errors or rows == 0:
                continue
            try:
                with torch.no_grad():
                    outputs = self._modules[m].network.eval()(inputs[m, :rows])
                    values = sample_values(self._task, outputs, targets[m, :rows])
                    sums[m] = {name: (value * shares[m, :rows]).sum() for name, value in values.items()}
            except Exception as error:
                self.errors[m] = reason(error)
        names = {name for values in sums.values() for name in values} | {"loss"}
        columns = {name: torch.zeros(len(theta), dtype=theta.dtype, device=theta.device) for name in sorted(names)}
        for name, column in columns.items():
            column[list(self.errors)] = torch.nan
            for m, values in sums.items():
                column[m] = values[name]
        return columns

    def keep(self, members: Members, rows: Sequence[int]) -> None:
        """See :meth:`Strategy.keep`."""
        self.members = members
        self.errors = {m: self.errors[row] for m, row in enumerate(rows) if row in self.errors}
        self._modules = [_Module(self._modules[row].network, members, m) for m, row in enumerate(rows)]

    def fallback(self, why: str) -> None:
        """See :meth:`Strategy.fallback`: there is none."""

    def _gradient(self, m: int, x: Tensor, y: Tensor, w: Tensor, key: Tensor, grad: Tensor) -> Tensor:
        module = self._modules[m]
        module.begin_training(key)
        outputs = self._outputs(module.network, x, int(key) if self._draws is not False else 0)
        loss = (sample_loss(self._task, outputs, y) * w).sum()
        grads = torch.autograd.grad(loss, module.parameters, allow_unused=True, materialize_grads=True)
        torch.cat([g.reshape(-1) for g in grads], out=grad)
        module.take_back_buffers()
        return loss.detach()

    def _outputs(self, network: nn.Module, x: Tensor, key: int) -> Tensor:
        """The network's outputs; torch's own generator, where the network draws from it, is seeded by the key."""
        if self._draws is False:
            return network(x)  # type: ignore[no-any-return]
        with torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
            torch.manual_seed(key & (2**63 - 1))
            before = _generator_state(x.device)
            outputs = network(x)
            self._draws = not torch.equal(before, _generator_state(x.device))
        return outputs  # type: ignore[no-any-return]


class _Module:
    """One member's network, whose parameters and buffers are made views of a row."""

    def __init__(self, network: nn.Module, members: Members, row: int) -> None:
        self.network = network
        own = dict(named_tensors(network))
        for name, tensor in members.tensors(row).items():
            own[name].data = tensor
        self.parameters = [own[name] for name in members.layout.parameters]
        self._keyed = [module for module in network.modules() if isinstance(module, KeyedModule)]
        holders = [module._buffers for module in network.modules() if not isinstance(module, KeyedModule)]
        self._buffers = [(h, name, b) for h in holders for name, b in h.items() if b is not None]

    def begin_training(self, key: Tensor) -> None:
        """Before each step: training mode, and the key of the random layers."""
        if not self.network.training:
            self.network.train()
        for module in self._keyed:
            module.key = key

    def take_back_buffers(self) -> None:
        """Where the network put a new tensor in a buffer's place, write it into the member's row, which must have it."""
        for holder, name, own in self._buffers:
            replaced = holder[name]
            if replaced is not own and replaced is not None:
                own.copy_(replaced.detach())
                holder[name] = own


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
