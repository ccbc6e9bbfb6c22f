"""A stack: many networks of one signature, trained together step by step.

It is three things: its members, an optimizer per run of rows, and a strategy that computes gradients.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from torch import Tensor

from trainables.recipe import Recipe
from trainables.stack.members import Members
from trainables.stack.optimizers import OPTIMIZERS, Optimizer, Rows
from trainables.stack.schedules import advance
from trainables.stack.strategy import Strategy


class Stack:
    """M networks in training.

    Args:
        members: the networks, and all that belongs to them.
        strategy: how gradients are computed, made for the same members; may be replaced at any time.
        epochs: the period of the cosine schedule.
    """

    def __init__(self, members: Members, strategy: Strategy, epochs: int) -> None:
        self.members = members
        self.strategy = strategy
        self._epochs = epochs
        self._penalised_weights = members.layout.weights(members.theta)
        self._refresh()

    def __len__(self) -> int:
        return len(self.members)

    @property
    def lr(self) -> Tensor:
        """(M,) learning rates."""
        return self.members.progress.lr[:, 0]

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
        loss, grad = self.strategy.gradients(inputs, targets, shares, keys)
        members = self.members
        if self._penalised:
            grad = grad + 2 * members.hyperparameters.l2 * members.theta * self._penalised_weights
        updated = (members.theta, members.progress.count, *members.slots)
        before = [] if idle is None else [tensor[idle] for tensor in updated]
        members.progress.count.add_(1)
        for optimizer, span, rows in self._runs:
            optimizer.update(rows, grad[span])
        for tensor, values in zip(updated, before, strict=False):
            tensor[idle] = values
        return loss

    def end_epoch(self, epoch: int, loss: Tensor) -> None:
        """Advance the learning-rate schedules; ``loss`` (M,) is the validation loss of epoch ``epoch`` (from 1)."""
        progress = self.members.progress
        advance(progress, self.members.hyperparameters, epoch, self._epochs, loss)
        self._lr.copy_(progress.lr)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every member but these, in this order."""
        self.members = self.members.keep(rows)
        self.strategy.keep(self.members, rows)
        self._refresh()

    def copy(self, source: int, target: int) -> None:
        """See :meth:`Members.copy`."""
        self.members.copy(source, target)
        self._refresh()

    def change(self, row: int, recipe: Recipe, buffers: Mapping[str, Tensor]) -> None:
        """See :meth:`Members.change`."""
        self.members.change(row, recipe, buffers)
        self._refresh()

    def _refresh(self) -> None:
        """Derive from the members what a step needs: their runs, and columns in the dtype of the weights."""
        members = self.members
        self._lr = members.progress.lr.to(members.theta.dtype, copy=True)
        self._penalised = bool((members.hyperparameters.l2 > 0).any())
        self._runs: list[tuple[Optimizer, slice, Rows]] = []
        start = 0
        for name, run in itertools.groupby(members.optimizers):
            span = slice(start, start := start + len(list(run)))
            self._runs.append((OPTIMIZERS[name], span, self._rows(span)))

    def _rows(self, span: slice) -> Rows:
        members, own = self.members, self.members.hyperparameters
        return Rows(
            theta=members.theta[span],
            slots=tuple(slot[span] for slot in members.slots),
            count=members.progress.count[span],
            lr=self._lr[span],
            weight_decay=own.weight_decay[span],
            momentum=own.momentum[span],
            nesterov=own.nesterov[span],
        )
