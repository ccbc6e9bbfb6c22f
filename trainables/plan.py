"""What all trials of a cohort have in common: the data, and how they are trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.data.dataset import Array, Pair
from trainables.data.folds import Split


@dataclass(frozen=True)
class Data:
    """The rows of a data set as tensors on a device; splits hold row numbers of them."""

    inputs: Tensor
    targets: Tensor

    @classmethod
    def on(cls, device: torch.device, inputs: Array, targets: Array) -> Data:
        """Copy arrays to a device, once. On a CPU it is a copy too: others may read the same arrays."""
        return cls(torch.tensor(inputs, device=device), torch.tensor(targets, device=device))


@dataclass(frozen=True)
class Plan:
    """What all trials of a cohort have in common.

    Args:
        splits: one member per split; all with validation rows, or none.
        epochs: for how long.
        key: where all random numbers come from; members differ by (trial, fold).
        patience: epochs without improvement after which a trial ends; None for never.
        keep_best: whether to keep the weights of each trial's best epoch, in ``Cohort.weights``.
        changing: whether hyperparameters change as networks train.
        watch: (inputs, targets) to evaluate after every epoch, for looking only; named ``test_...``.
    """

    splits: Sequence[Split]
    epochs: int
    key: int
    patience: int | None = None
    keep_best: bool = False
    changing: bool = False
    watch: Pair | None = None
