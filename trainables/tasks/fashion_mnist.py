"""FashionMNIST (Xiao, Rasul, Vollgraf 2017): 60 000 + 10 000 grey images of 28x28 pixels, ten kinds of clothes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from trainables.data.dataset import Pair
from trainables.data.readers.images import fashion_mnist
from trainables.tasks.images import ImageTask


class FashionMnist(ImageTask):
    """Classify clothes. Reads ``FashionMNIST/raw`` below the data folder, as torchvision lays it out."""

    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)

    def read(self, data_dir: Path | None, train: bool) -> Pair:
        """See :meth:`ImageTask.read`."""
        return fashion_mnist(data_dir, train)
