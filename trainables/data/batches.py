"""Which rows each member sees in each step.

Data stay on the device; a batch is an index into them. Members of one stack have different rows (their folds), so
their batches are padded to one size, and padding gets no share in the loss: no row is dropped or counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.data.dataset import Array
from trainables.data.folds import Rows
from trainables.stack.rng import fold_in, random_bits


@dataclass(frozen=True)
class Data:
    """All rows of a study on the device to train on; splits hold row numbers of them."""

    inputs: Tensor
    targets: Tensor

    @classmethod
    def on(cls, device: torch.device, inputs: Array, targets: Array) -> Data:
        """Copy arrays to a device, once; to a CPU too, since arrays of Ray's object store are shared between processes."""
        return cls(torch.tensor(inputs, device=device), torch.tensor(targets, device=device))


LAST = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Batch:
    """One step of a stack: row numbers (M, B), their shares (M, B) in each member's loss, keys (M,).

    ``idle`` lists members that have no row in this batch.
    """

    rows: Tensor
    shares: Tensor
    keys: Tensor
    idle: Tensor | None


class MemberRows:
    """Row numbers of every member, padded to a rectangle.

    Args:
        rows: one array of row numbers per member.
        device: where the data are.
    """

    def __init__(self, rows: Sequence[Rows], device: torch.device) -> None:
        self.counts = torch.tensor([len(r) for r in rows], device=device)
        self.longest = int(self.counts.max())
        table = np.zeros((len(rows), self.longest), dtype=np.int64)
        for m, own in enumerate(rows):
            table[m, : len(own)] = own
            table[m, len(own) :] = own[0]  # 0 x infinity is not 0: padding is never a row that the member has not
        self.table = torch.from_numpy(table).to(device)

    def keep(self, members: Sequence[int]) -> None:
        """Drop every member but these."""
        index = torch.tensor(list(members), device=self.table.device)
        self.table, self.counts = self.table[index], self.counts[index]

    def batches(self, size: int | str, keys: Tensor, epoch: int, dtype: torch.dtype) -> Iterator[Batch]:
        """One epoch of batches in random order.

        Args:
            size: rows per batch, or "full".
            keys: (M,) one per member, from :func:`trainables.stack.rng.root_key`.
            epoch: from 1; every epoch has its own order.
            dtype: of the shares.
        """
        size = self.longest if isinstance(size, str) else min(size, self.longest)
        steps = math.ceil(self.longest / size)
        device = self.table.device
        epoch_keys = fold_in(keys, torch.tensor(epoch, device=device))
        position = torch.arange(self.longest, device=device)
        order = random_bits(fold_in(epoch_keys, torch.tensor(0, device=device)), self.longest)
        order = order.masked_fill(position >= self.counts.unsqueeze(1), LAST).argsort(dim=1, stable=True)
        shuffled = _lengthen(self.table.gather(1, order), steps * size)
        left = (self.counts.unsqueeze(1) - size * torch.arange(steps, device=device)).clamp(0, size)  # (M, steps)
        used = torch.arange(size, device=device) < left.unsqueeze(2)  # (M, steps, B)
        shares = used.to(dtype) / left.clamp(min=1).unsqueeze(2)
        step_keys = fold_in(epoch_keys.unsqueeze(1), torch.arange(1, steps + 1, device=device))
        ragged = (left == 0).cpu()
        for step in range(steps):
            idle = ragged[:, step].nonzero()[:, 0].to(device) if bool(ragged[:, step].any()) else None
            span = slice(step * size, (step + 1) * size)
            yield Batch(shuffled[:, span], shares[:, step], step_keys[:, step], idle)

    def chunks(self, size: int, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows in order, for evaluation: row numbers, and 1 for each of them and 0 for padding, both (M, size)."""
        device = self.table.device
        size = min(size, self.longest)
        padding = -self.longest % size
        table = _lengthen(self.table, self.longest + padding)
        position = torch.arange(self.longest + padding, device=device)
        counted = (position < self.counts.unsqueeze(1)).to(dtype)
        for start in range(0, self.longest + padding, size):
            yield table[:, start : start + size], counted[:, start : start + size]


def _lengthen(table: Tensor, length: int) -> Tensor:
    """Repeat the last column up to ``length`` columns."""
    return table[:, torch.arange(length, device=table.device).clamp(max=table.shape[1] - 1)]
