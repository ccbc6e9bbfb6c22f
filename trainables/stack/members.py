"""The members of a stack: everything that belongs to one of its networks is a row of these tensors.

Stopping members, copying one and saving them are therefore a matter of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.recipe import SCHEDULES, Recipe
from trainables.stack.layout import Layout, named_tensors
from trainables.stack.optimizers import OPTIMIZERS
from trainables.stack.values import Values


@dataclass
class Hyperparameters:
    """What members are trained with, (M, 1) each: float64, but the last four in the dtype of the weights.

    ``schedule`` is a place in ``SCHEDULES``, int64; ``base_lr`` the learning rate that the schedule started from. The
    others are those of :class:`trainables.recipe.Recipe`.
    """

    schedule: Tensor
    base_lr: Tensor
    gamma: Tensor
    factor: Tensor
    plateau_patience: Tensor
    cooldown: Tensor
    weight_decay: Tensor
    momentum: Tensor
    nesterov: Tensor
    l2: Tensor

    @classmethod
    def of(cls, recipes: Sequence[Recipe], dtype: torch.dtype) -> Hyperparameters:
        """One row per recipe."""

        def column(name: str, kind: torch.dtype = torch.float64) -> Tensor:
            return torch.tensor([float(getattr(r, name)) for r in recipes], dtype=kind).unsqueeze(1)

        return cls(
            torch.tensor([SCHEDULES.index(r.schedule) for r in recipes]).unsqueeze(1),
            *(column(name) for name in ("lr", "gamma", "factor", "plateau_patience", "cooldown")),
            *(column(name, dtype) for name in ("weight_decay", "momentum", "nesterov", "l2")),
        )


@dataclass
class Progress:
    """How far members have come, (M, 1) each, float64.

    ``lr`` is the present learning rate, ``count`` the optimizer's steps; the plateau schedule's are ``best`` (loss),
    ``bad`` (epochs without improvement) and ``cooling`` (epochs in which patience does not count).
    """

    lr: Tensor
    count: Tensor
    best: Tensor
    bad: Tensor
    cooling: Tensor

    @classmethod
    def of(cls, lr: Tensor) -> Progress:
        """The start, with learning rates (M, 1)."""
        count, bad, cooling = (torch.zeros_like(lr) for _ in range(3))
        return cls(lr.clone(), count, torch.full_like(lr, torch.inf), bad, cooling)


@dataclass
class Members:
    """M networks of one layout in training.

    Args:
        layout: what the P numbers of a row of ``theta`` are.
        optimizers: a name per member. Members of one optimizer should stand together: each run of them is one update.
        theta: (M, P) trained parameters.
        slots: what the optimizers keep, (M, P) each.
        progress, hyperparameters: columns, (M, 1) each.
        buffers: buffers and frozen parameters by name, (M, ...).
    """

    layout: Layout
    optimizers: list[str]
    theta: Tensor
    slots: list[Tensor]
    progress: Progress
    hyperparameters: Hyperparameters
    buffers: dict[str, Tensor]

    @classmethod
    def of(cls, networks: Sequence[nn.Module], recipes: Sequence[Recipe], device: torch.device) -> Members:
        """Members at the start of their training, one per network and recipe."""
        layout = Layout(networks[0])
        theta = torch.stack([layout.row(n).to(device) for n in networks])
        hyperparameters = Hyperparameters.of(recipes, theta.dtype)
        tensors = [dict(named_tensors(n)) for n in networks]
        return cls(
            layout,
            [r.optimizer for r in recipes],
            theta,
            [torch.zeros_like(theta) for _ in range(max(OPTIMIZERS[r.optimizer].slots for r in recipes))],
            Progress.of(hyperparameters.base_lr),
            hyperparameters,
            {name: torch.stack([own[name].detach().to(device) for own in tensors]) for name in layout.buffers},
        )._each(lambda tensor: tensor.to(device))

    @classmethod
    def load(cls, state: Mapping[str, Any], network: nn.Module, device: torch.device) -> Members:
        """Members as :meth:`state` returned them. ``network``: any of them, as it was built."""
        layout = Layout(network)
        return cls(
            layout,
            list(state["optimizers"]),
            state["theta"],
            state["slots"],
            Progress(**state["progress"]),
            Hyperparameters(**state["hyperparameters"]),
            {name: state["buffers"][name] for name in layout.buffers},
        )._each(lambda tensor: tensor.to(device, copy=True))

    def __len__(self) -> int:
        return len(self.optimizers)

    def state(self) -> dict[str, Any]:
        """Everything that the members need to go on, on the CPU: tensors, lists and dictionaries."""
        copy = self._each(lambda tensor: tensor.detach().to("cpu", copy=True))
        columns = {"progress": vars(copy.progress), "hyperparameters": vars(copy.hyperparameters)}
        return {
            "optimizers": copy.optimizers, "theta": copy.theta, "slots": copy.slots, "buffers": copy.buffers, **columns
        }  # fmt: skip

    def keep(self, rows: Sequence[int]) -> Members:
        """New members, with copies of these rows in this order."""
        index = torch.tensor(list(rows), device=self.theta.device)
        kept = self._each(lambda tensor: tensor[index])
        kept.optimizers = [self.optimizers[row] for row in rows]
        return kept

    def copy(self, source: int, target: int) -> None:
        """Make member ``target`` an exact copy of ``source``: weights, optimizer state, schedule, buffers."""
        for tensor in self._tensors():
            tensor[target] = tensor[source]
        self.optimizers[target] = self.optimizers[source]

    def change(self, row: int, recipe: Recipe, buffers: Mapping[str, Tensor]) -> None:
        """Go on with other hyperparameters; what training has learned stays as it is.

        Args:
            row: of the member.
            recipe: of the same optimizer. Its lr scales the present learning rate, whatever the schedule made of it.
            buffers: those that hold hyperparameters, by name.
        """
        new, own, lr = Hyperparameters.of([recipe], self.theta.dtype), self.hyperparameters, self.progress.lr
        lr[row] *= (new.base_lr[0] / own.base_lr[row].cpu()).to(lr.device)
        for name, column in vars(own).items():
            column[row] = getattr(new, name)[0].to(column.device)
        for name, value in buffers.items():
            self.buffers[name][row] = value.to(self.theta.device)
        self.optimizers[row] = recipe.optimizer

    def tensors(self, row: int) -> Values:
        """Views of one member's parameters and buffers, by each name that they go by."""
        buffers = [self.buffers[name][row] for name in self.layout.buffers]
        return self.layout.every_name(self.layout.views(self.theta[row]), buffers)

    def _tensors(self) -> list[Tensor]:
        columns = [*vars(self.progress).values(), *vars(self.hyperparameters).values()]
        return [self.theta, *self.slots, *columns, *self.buffers.values()]

    def _each(self, function: Callable[[Tensor], Tensor]) -> Members:
        return Members(
            self.layout,
            list(self.optimizers),
            function(self.theta),
            [function(slot) for slot in self.slots],
            Progress(**{name: function(column) for name, column in vars(self.progress).items()}),
            Hyperparameters(**{name: function(column) for name, column in vars(self.hyperparameters).items()}),
            {name: function(buffer) for name, buffer in self.buffers.items()},
        )
