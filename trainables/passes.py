"""Passes of a stack over its members' rows of the data: an epoch of training, and evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from search_spaces.errors import reason
from trainables.data.batches import Data, MemberRows
from trainables.plan import Plan
from trainables.stack.rng import root_key
from trainables.stack.stack import Stack
from trainables.stack.values import Values, finished_means
from trainables.task import Task

EVALUATION_ROWS = 1024
EVALUATION_NUMBERS = 2**22
"""Most rows, and most input numbers of all members, in one evaluation call: what bounds its memory."""

Member = tuple[int, int]
"""A trial's number and its fold."""

Result = TypeVar("Result")


class Passes:
    """What the members of a stack train on, and are judged by.

    Args:
        task: gives the loss and the metrics.
        data: all rows that the plan's splits point to.
        plan: the splits, and where random numbers come from.
        stack: the members' networks.
        members: trial and fold of each row of the stack.
        batch_size: rows per step, or "full".
    """

    def __init__(
        self, task: Task, data: Data, plan: Plan, stack: Stack, members: Sequence[Member], batch_size: int | str
    ) -> None:
        self._task, self._data, self._plan, self._stack = task, data, plan, stack
        self._batch_size = batch_size
        self._watched = None if plan.watch is None else Data.on(data.inputs.device, *plan.watch)
        self.place(members)

    def place(self, members: Sequence[Member]) -> None:
        """Lay out the members' rows of data and their keys, anew whenever rows of the stack have gone."""
        device = self._data.inputs.device
        splits = [self._plan.splits[fold] for _, fold in members]
        self._keys = torch.tensor([member_key(self._plan, *member) for member in members], device=device)
        self._train = MemberRows([s.train for s in splits], device)
        validated, watched = len(splits[0].validation) > 0, self._watched
        self._validation = MemberRows([s.validation for s in splits], device) if validated else None
        every = None if watched is None else np.arange(len(watched.inputs))
        self._watch = None if every is None else MemberRows([every for _ in splits], device)

    def train(self, epoch: int) -> Tensor:
        """One epoch of steps; returns each member's training loss (M,), a mean over its rows."""
        total = torch.zeros(len(self._stack), dtype=torch.float64, device=self._data.inputs.device)
        used = torch.zeros_like(total)
        dtype = self._stack.members.theta.dtype
        for batch in self._train.batches(self._batch_size, self._keys, epoch, dtype):
            inputs, targets = self._data.inputs[batch.rows], self._data.targets[batch.rows]
            loss = self._guarded(
                lambda x=inputs, y=targets, b=batch: self._stack.step(x, y, b.shares, b.keys, b.idle)  # type: ignore[misc]
            )
            rows = (batch.shares > 0).sum(1)
            total += torch.where(rows > 0, loss, 0.0) * rows
            used += rows
        return total / used

    def validate(self) -> Values | None:
        """Loss and metrics (M,) on the validation rows; None without any."""
        return None if self._validation is None else self._evaluate(self._validation, self._data)

    def watch(self) -> Values:
        """Loss and metrics (M,) on the rows to watch, named ``test_...``; nothing without any."""
        if self._watch is None or self._watched is None:
            return {}
        values = self._evaluate(self._watch, self._watched)
        return {f"test_{name}": value for name, value in values.items()}

    def _evaluate(self, members: MemberRows, data: Data) -> Values:
        numbers = math.prod(data.inputs.shape[1:]) * len(self._stack)
        size = max(1, min(EVALUATION_ROWS, EVALUATION_NUMBERS // numbers))
        totals: Values = {}
        for rows, counted in members.chunks(size, self._stack.members.theta.dtype):
            inputs, targets = data.inputs[rows], data.targets[rows]
            values = self._guarded(
                lambda x=inputs, y=targets, c=counted: self._stack.strategy.evaluate(x, y, c)  # type: ignore[misc]
            )
            totals = {name: value.double() + totals.get(name, 0) for name, value in values.items()}
        # Divided last: an accuracy of 1 is then 1, not the sum of so many rounded shares.
        return finished_means(self._task, {name: total / members.counts for name, total in totals.items()})

    def _guarded(self, call: Callable[[], Result]) -> Result:
        """Call the stack; where it raises, repeat the call with the strategy's fallback, in which the culprit fails
        alone. Nothing has been updated by then: gradients come first.
        """
        try:
            return call()
        except Exception as error:
            fallback = self._stack.strategy.fallback(reason(error))
            if fallback is None:
                raise
            self._stack.strategy = fallback
            return call()


def member_key(plan: Plan, number: int, fold: int) -> int:
    """Where the random numbers of one fold of a trial come from, whatever stack it is in."""
    return root_key(plan.key, number, fold)
