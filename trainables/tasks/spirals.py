"""Two interlaced spirals in the plane (Taillandier, Garrido, Bonnet 2021), generated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from search_spaces.study.fields import NotNegative, Seed
from trainables.data.dataset import Dataset, Pair
from trainables.layers.networks import mlp
from trainables.options import checked
from trainables.task import Task

TRAIN, VALIDATION, TEST = 4000, 1000, 500


class Spirals(Task):
    """Tell two noisy spirals apart with a dense network and binary cross-entropy."""

    defaults: ClassVar[Mapping[str, Any]] = {"depth": 2, "width": 20, "activation": "relu", "dropout": 0.0}

    @checked
    def __init__(
        self,
        noise: Annotated[NotNegative, Field(description="standard deviation of the noise on a coordinate")] = 0.4,
        data_seed: Annotated[Seed, Field(description="seed of the generated points")] = 0,
    ) -> None:
        self.noise = noise
        self.data_seed = data_seed

    def load(self, data_dir: Path | None) -> Dataset:
        """4000 training, 1000 validation and 500 test points; ``data_dir`` is not used."""
        train, validation, test = (
            self._points(count, np.random.default_rng([self.data_seed, part]))
            for part, count in enumerate((TRAIN, VALIDATION, TEST))
        )
        return Dataset(*train, validation=validation, test=lambda: test)

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """2 coordinates, hidden layers, one logit."""
        widths = [2, *[params["width"]] * params["depth"], 1]
        return mlp(widths, params["activation"], params["dropout"])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy of the logit, (B,)."""
        return nn.functional.binary_cross_entropy_with_logits(
            outputs.squeeze(-1), targets.to(outputs.dtype), reduction="none"
        )

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Accuracy: 1 where the logit has the right sign."""
        return {"accuracy": ((outputs.squeeze(-1) > 0) == (targets > 0)).to(torch.float32)}

    def _points(self, count: int, rng: np.random.Generator) -> Pair:
        phi = rng.uniform(1, 15, count)
        points = (phi + 1)[:, None] * np.stack([np.cos(phi), np.sin(phi)], axis=1)
        points += rng.normal(0, self.noise, points.shape)
        labels = (np.arange(count) >= count // 2).astype(np.int64)
        points[labels == 1] *= -1
        return points, labels
