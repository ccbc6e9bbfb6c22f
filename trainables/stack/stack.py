"""A stack: many networks of one signature, trained together step by step.

The parameters of all members are one (M, P) tensor, and so is everything an optimizer keeps, which makes stopping
members (``keep``), exploiting one (``copy``) and saving one (``state``) a matter of rows. The two strategies differ
in one thing only, how the gradient of the stack is computed: see ``fused`` and ``loop``.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from search_spaces.errors import TaskError, unknown
from trainables.layers.keyed import KeyedModule
from trainables.recipe import Recipe
from trainables.stack.optimizers import SLOTS, UPDATES, Rows
from trainables.stack.schedules import advance, schedule_columns
from trainables.task import Task

Values = dict[str, Tensor]

PENALTIES = ("weight_decay", "momentum", "nesterov", "l2")
CHANGEABLE = ("base_lr", "schedule", "gamma", "factor", "plateau_patience", "cooldown", *PENALTIES)
"""Columns of hyperparameters; the others are state of the training."""


class Layout:
    """Where each trained parameter of a network lies in a row of P numbers."""

    def __init__(self, network: nn.Module) -> None:
        trained = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in trained]
        self.shapes = [p.shape for _, p in trained]
        ends = list(itertools.accumulate(p.numel() for _, p in trained))
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        self.size = ends[-1]

    def row(self, network: nn.Module) -> Tensor:
        """(P,) copy of a network's trained parameters."""
        by_name = dict(network.named_parameters())
        return torch.cat([by_name[n].detach().reshape(-1) for n in self.names])

    def views(self, theta: Tensor) -> list[Tensor]:
        """Parameters as views of (..., P)."""
        lead = theta.shape[:-1]
        return [theta[..., a:b].view(*lead, *s) for (a, b), s in zip(self.spans, self.shapes, strict=True)]

    def weights(self, theta: Tensor) -> Tensor:
        """(P,) mask of what an L2 penalty covers: matrices and kernels, not biases and scales."""
        mask = torch.zeros_like(theta[0])
        for (a, b), shape in zip(self.spans, self.shapes, strict=True):
            mask[a:b] = float(len(shape) > 1)
        return mask


class Stack(ABC):
    """M networks of one signature.

    Args:
        task: gives the loss and the metrics.
        networks: the members, as :func:`trainables.stack.signature.build` returns them.
        recipes: one per member. Members of one optimizer should stand together: each run of them is one update.
        epochs: the period of the cosine schedule.
        device: where to train.

    Public state: ``members``, tensors with one row per member; ``errors``, what members failed of, by row.
    """

    shrink_below: ClassVar[float] = 1.0
    """It pays to drop members once no more than this share of them is wanted."""

    def __init__(
        self, task: Task, networks: Sequence[nn.Module], recipes: Sequence[Recipe], epochs: int, device: torch.device
    ) -> None:
        self.task = task
        self.device = device
        self.layout = Layout(networks[0])
        self.base = networks[0].to(device)
        self.recipes = list(recipes)
        self.errors: dict[int, str] = {}
        theta = torch.stack([self.layout.row(n).to(device) for n in networks])
        self.members: Values = {"theta": theta}
        for slot in range(max(SLOTS[r.optimizer] for r in recipes)):
            self.members[f"slot_{slot}"] = torch.zeros_like(theta)
        columns = schedule_columns(recipes, epochs) | _penalty_columns(recipes, theta.dtype)
        columns["count"] = torch.zeros(len(recipes), 1, dtype=torch.float64)
        self.members |= {name: column.to(device) for name, column in columns.items()}
        for name in self._constant_names():
            self.members[f"constant:{name}"] = torch.stack([_tensor(n, name).to(device) for n in networks])
        self._weights = self.layout.weights(theta)
        self._bind()

    def __len__(self) -> int:
        return len(self.recipes)

    @property
    def theta(self) -> Tensor:
        """(M, P) parameters."""
        return self.members["theta"]

    @property
    def lr(self) -> Tensor:
        """(M,) learning rates."""
        return self.members["lr"][:, 0]

    def step(self, inputs: Tensor, targets: Tensor, shares: Tensor, keys: Tensor, idle: Tensor | None = None) -> Tensor:
        """One optimizer step of every member.

        Args:
            inputs: (M, B, ...).
            targets: (M, B, ...).
            shares: (M, B) weight of each row in its member's loss, summing to 1; 0 marks padding behind the rows.
            keys: (M,) int64, the source of this step's random numbers.
            idle: members without any row in this batch, which stay as they are.

        Returns:
            (M,) mean loss over each member's rows, without penalties.
        """
        loss, grad = self.gradients(inputs, targets, shares, keys)
        if self._penalised:
            grad = grad + 2 * self.members["l2"] * self.theta * self._weights
        before = {} if idle is None else {n: self.members[n][idle].clone() for n in self._updated}
        self.members["count"] += 1
        for optimizer, span in self._runs:
            UPDATES[optimizer](self._rows(grad, span))
        for name, values in before.items():
            self.members[name][idle] = values
        return loss

    def end_epoch(self, epoch: int, loss: Tensor) -> None:
        """Advance the learning-rate schedules; ``loss`` (M,) is the validation loss of epoch ``epoch`` (from 1)."""
        advance(self.members, epoch, loss)
        self._cast_columns()

    @abstractmethod
    def gradients(self, inputs: Tensor, targets: Tensor, shares: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (M,) and gradients (M, P); arguments as in :meth:`step`.

        A member that raises gets an entry in ``errors``, a loss of NaN and a gradient of zero.
        """

    @abstractmethod
    def evaluate(self, inputs: Tensor, targets: Tensor, shares: Tensor) -> Values:
        """Loss and metrics without dropout, (M,) each: sums over rows, each times its share; arguments as in :meth:`step`."""

    def predict(self, inputs: Tensor) -> Tensor:
        """Outputs (M, B, ...) of every member for the same inputs (B, ...), without dropout."""
        self.base.eval()
        with torch.no_grad():
            return torch.stack([functional_call(self.base, self.tensors(m), (inputs,)) for m in range(len(self))])

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every member but these, in this order."""
        index = torch.tensor(list(rows), device=self.device)
        self.members = {name: tensor[index] for name, tensor in self.members.items()}
        self.errors = {i: self.errors[row] for i, row in enumerate(rows) if row in self.errors}
        self.recipes = [self.recipes[row] for row in rows]
        self._bind()

    def copy(self, source: int, target: int) -> None:
        """Make member ``target`` an exact copy of ``source``: weights, optimizer state, schedule, buffers."""
        for tensor in self.members.values():
            tensor[target] = tensor[source]
        self.recipes[target] = self.recipes[source]
        self._bind()

    def change(self, row: int, recipe: Recipe, constants: Mapping[str, Tensor]) -> None:
        """Go on with other hyperparameters; what training has learned stays as it is.

        Args:
            row: of the member.
            recipe: of the same optimizer. Its lr scales the present learning rate, whatever the schedule made of it.
            constants: buffers that hold hyperparameters, by name.
        """
        columns = schedule_columns([recipe], 1) | _penalty_columns([recipe], self.theta.dtype)
        self.members["lr"][row] *= (columns["base_lr"][0] / self.members["base_lr"][row].cpu()).to(self.device)
        for name in CHANGEABLE:
            self.members[name][row] = columns[name][0].to(self.device)
        for name, value in constants.items():
            self.members[f"constant:{name}"][row] = value.to(self.device)
        self.recipes[row] = recipe
        self._bind()

    def state(self, row: int) -> Values:
        """Everything that one member needs to go on, on the CPU."""
        return {name: tensor[row].detach().cpu().clone() for name, tensor in self.members.items()}

    def load_state(self, row: int, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state` returned. A slot the member's own optimizer never uses may be missing."""
        for name, tensor in self.members.items():
            if name in state:
                tensor[row] = state[name].to(self.device)
        self._bind()

    def adopt(self, other: Stack) -> None:
        """Take over the members of another stack of the same networks."""
        self.members = other.members
        self._bind()

    def tensors(self, row: int, members: Values | None = None) -> Values:
        """Parameters and buffers of one member, by name: of this stack, or of a copy of its ``members``."""
        members = self.members if members is None else members
        own = dict(zip(self.layout.names, self.layout.views(members["theta"][row]), strict=True))
        return own | {name: members[f"constant:{name}"][row] for name in self._constant_names()}

    def _constant_names(self) -> list[str]:
        """Buffers and frozen parameters; the keys of random layers are set anew at each step."""
        frozen = [n for n, p in self.base.named_parameters() if not p.requires_grad]
        return frozen + [n for n, _ in self.base.named_buffers() if n not in self._key_names()]

    def _key_names(self) -> list[str]:
        keyed = [name for name, module in self.base.named_modules() if isinstance(module, KeyedModule)]
        return [f"{name}.key" if name else "key" for name in keyed]

    def _bind(self) -> None:
        """Refresh whatever is derived from ``members`` and ``recipes``, which may be new tensors."""
        kinds = itertools.groupby(range(len(self)), key=lambda m: self.recipes[m].optimizer)
        runs = [(kind, list(rows)) for kind, rows in kinds]
        self._runs = [(kind, slice(rows[0], rows[-1] + 1)) for kind, rows in runs]
        self._penalised = bool((self.members["l2"] > 0).any())
        self._slots = sorted(n for n in self.members if n.startswith("slot_"))
        self._updated = ["theta", "count", *self._slots]
        self._cast_columns()

    def _cast_columns(self) -> None:
        self._lr = self.members["lr"].to(self.theta.dtype)

    def _rows(self, grad: Tensor, span: slice) -> Rows:
        m = self.members
        return Rows(
            theta=m["theta"][span],
            grad=grad[span],
            slots=tuple(m[name][span] for name in self._slots),
            count=m["count"][span],
            lr=self._lr[span],
            weight_decay=m["weight_decay"][span],
            momentum=m["momentum"][span],
            nesterov=m["nesterov"][span],
        )


def _penalty_columns(recipes: Sequence[Recipe], dtype: torch.dtype) -> Values:
    """Each member's penalties and momentum, (M, 1)."""
    return {
        name: torch.tensor([float(getattr(r, name)) for r in recipes], dtype=dtype).unsqueeze(1) for name in PENALTIES
    }


def sample_loss(task: Task, outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss of each sample of one member, (B,).

    Raises:
        TaskError: if the task returns another shape.
    """
    return _per_sample(task, "loss", task.loss(outputs, targets), targets)


def sample_values(task: Task, outputs: Tensor, targets: Tensor) -> Values:
    """Loss and metrics of each sample of one member, (B,) each.

    Raises:
        TaskError: if the task returns another shape, or not the metric that it names.
    """
    metrics = task.metrics(outputs, targets)
    values = {name: _per_sample(task, f"metrics['{name}']", value, targets) for name, value in metrics.items()}
    values = {"loss": sample_loss(task, outputs, targets), **values}
    if task.metric not in values:
        raise TaskError(f"{type(task).__name__}.metric: {unknown('metric', task.metric, values)}")
    return values


def finished_means(task: Task, means: Values) -> Values:
    """Means over all rows as they are reported: of the task's ``roots`` the square root."""
    return {name: value.sqrt() if name in task.roots else value for name, value in means.items()}


def _per_sample(task: Task, what: str, value: Tensor, targets: Tensor) -> Tensor:
    if value.shape != targets.shape[:1]:
        raise TaskError(
            f"{type(task).__name__}.{what}: must return one value per sample, shape ({targets.shape[0]},), "
            f"got {tuple(value.shape)}"
        )
    return value


def _tensor(network: nn.Module, name: str) -> Tensor:
    parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    return (parameters[name] if name in parameters else buffers[name]).detach()
