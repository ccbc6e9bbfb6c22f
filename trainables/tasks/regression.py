"""Regression of one noisy number on another: 100 training points with gaps between them, 100 test points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from search_spaces.study.fields import Seed
from trainables.data.dataset import Dataset, Pair
from trainables.data.readers.table import read_table
from trainables.layers.networks import mlp, whole
from trainables.options import checked
from trainables.task import Task

POINTS = 100
GAPS = ((-2.6, -1.0), (1.2, 2.6))
NOISE = 0.3


class Regression(Task):
    """Fit a curve through noisy points with a dense network and squared error.

    Reads ``regression/train_data.csv`` and ``regression/test_data.csv`` (columns ``input``, ``label``) below the data
    folder. Without one it generates points of the same size: y = 3 sin(x) cos(x/2) + 2 plus Gaussian noise of standard
    deviation 0.3, with x uniform on [-5, 5]. The training points leave out -2.6..-1.0 and 1.2..2.6; the test points do
    not.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "layers": 3,
        "width_1": 10,
        "width_2": 20,
        "width_3": 10,
        "activation": "relu",
        "dropout": 0.0,
        "initialisation": "torch",
    }

    @checked
    def __init__(self, data_seed: Annotated[Seed, Field(description="seed of the generated points")] = 0) -> None:
        self.data_seed = data_seed

    def load(self, data_dir: Path | None) -> Dataset:
        """Read the two files, or generate both splits where there is no data folder."""
        if data_dir is None:
            return Dataset(*self._generate(0, gaps=True), test=lambda: self._generate(1, gaps=False))
        folder = data_dir / "regression"
        return Dataset(*_read(folder / "train_data.csv"), test=lambda: _read(folder / "test_data.csv"))

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """One input, ``layers`` hidden layers of ``width_1``.. units, one output."""
        hidden = [params[f"width_{i}"] for i in range(1, whole(params, "layers", 0, 3) + 1)]
        return mlp([1, *hidden, 1], params["activation"], params["dropout"], params["initialisation"])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error, (B,)."""
        return (outputs - targets).square().squeeze(-1)

    def _generate(self, part: int, gaps: bool) -> Pair:
        rng = np.random.default_rng([self.data_seed, part])
        x = rng.uniform(-5, 5, 4 * POINTS)
        if gaps:
            x = x[~np.any([(low < x) & (x < high) for low, high in GAPS], axis=0)]
        x = x[:POINTS, None]
        y = 3 * np.sin(x) * np.cos(x / 2) + 2
        return x, y + rng.normal(0, NOISE, x.shape)


def _read(path: Path) -> Pair:
    values = read_table(path, ("input", "label"), "(leave out --data to use generated points)")
    return values[:, :1], values[:, 1:]
