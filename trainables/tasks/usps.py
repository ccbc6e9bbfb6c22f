"""USPS digits (Hull 1994): 7291 + 2007 grey images of 16x16 pixels; 1291 of the former validate."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from trainables.data.dataset import Dataset, Pair
from trainables.data.readers.images import usps
from trainables.tasks.images import ImageTask

VALIDATION = 1291
SPLIT_SEED = 0


class Usps(ImageTask):
    """Classify handwritten digits. Reads ``USPS/usps.bz2`` and ``usps.t.bz2`` below the data folder.

    Split 6000 / 1291 / 2007, as in Taillandier, Garrido, Bonnet 2021.
    """

    shape: ClassVar[tuple[int, int, int]] = (1, 16, 16)

    def read(self, data_dir: Path | None, train: bool) -> Pair:
        """See :meth:`ImageTask.read`."""
        return usps(data_dir, train)

    def load(self, data_dir: Path | None) -> Dataset:
        """Read the training images and hold the validation split out of them."""
        train, validation = usps_split(*self.read(data_dir, train=True))
        return Dataset(*train, validation=validation, test=lambda: self.read(data_dir, train=False))


def usps_split(*arrays: np.ndarray) -> tuple[Pair, Pair]:
    """Training and validation rows of the published training images; a smaller file is split in the same ratio."""
    count = len(arrays[0])
    held = min(VALIDATION, count // 5)
    rows = np.random.default_rng(SPLIT_SEED).permutation(count)
    train, validation = (
        (arrays[0][chosen], arrays[1][chosen]) for chosen in (np.sort(rows[held:]), np.sort(rows[:held]))
    )
    return train, validation
