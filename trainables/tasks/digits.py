"""Handwritten digits: the 1797 images of 8x8 pixels that scikit-learn carries, so that nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from trainables.data.dataset import Dataset
from trainables.layers.networks import mlp
from trainables.task import Task

TEST_SHARE = 0.2
SPLIT_SEED = 0


class Digits(Task):
    """Classify 8x8 digits with a dense network.

    A stratified fifth (360 images) is the test split, the rest (1437) is searched on.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "depth": 1,
        "width": 64,
        "activation": "relu",
        "dropout": 0.0,
    }

    def load(self, data_dir: Path | None) -> Dataset:
        """See :meth:`Task.load`; ``data_dir`` is not used."""
        from sklearn.datasets import load_digits  # here: workers, which never load data, start a second faster
        from sklearn.model_selection import train_test_split

        images, labels = load_digits(return_X_y=True)
        train_x, test_x, train_y, test_y = train_test_split(
            images / 16, labels, test_size=TEST_SHARE, stratify=labels, random_state=SPLIT_SEED
        )
        return Dataset(train_x, np.asarray(train_y), test=lambda: (test_x, np.asarray(test_y)))

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """64 pixels, ``depth`` hidden layers of ``width``, 10 classes."""
        widths = [64, *[params["width"]] * params["depth"], 10]
        return mlp(widths, params["activation"], params["dropout"])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, (B,)."""
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Accuracy: 1 where the largest output is the label."""
        return {"accuracy": (outputs.argmax(dim=-1) == targets).to(torch.float32)}
