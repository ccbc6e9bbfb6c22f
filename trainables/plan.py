"""How all trials of a cohort are trained. Imports no torch, so that the driver can say it without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainables.data.dataset import Pair
from trainables.data.folds import Split


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
