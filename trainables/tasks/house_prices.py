"""Prices of 1460 houses in Ames, Iowa (De Cock 2011), from four features; after Taillandier, Garrido, Bonnet 2021."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from search_spaces.errors import DataError, TaskError
from search_spaces.study.fields import Seed, Share, known
from trainables.data.dataset import Dataset
from trainables.data.readers.table import house_prices
from trainables.layers.networks import mlp, whole
from trainables.layers.standardise import Moments, Standardise
from trainables.options import checked
from trainables.task import Task

TRAIN, VALIDATION = 1000, 200
UNIT = 100_000.0
"""Dollars in which losses are computed, so that they are near 1; metrics are in dollars."""

LIKELIHOODS = ("squared", "gaussian")
LIKELIHOOD = """`squared`: one output and the squared error; `gaussian`: two outputs, mean and standard deviation, and the
Gaussian negative log-likelihood"""
BETA = """with `gaussian`: each sample's loss is multiplied by its predicted variance to this power, without a gradient
through it (Seitzer et al., "On the pitfalls of heteroscedastic uncertainty estimation", ICLR 2022); 0 is the likelihood
itself, which learns little from samples that it calls uncertain; 1 fits the mean as the squared error does"""
SMALLEST_SD = 1e-2
"""Of a predicted standard deviation, in deviations of the training prices."""


class HousePrices(Task):
    """Predict a price from overall quality, year built, basement area and living area.

    Reads ``house_prices/house_prices.csv`` below the data folder. The rows are shuffled by
    ``numpy.random.default_rng(split)`` and split into 1000 for training, 200 for validation and 260 for the test.
    Features and prices are standardised by the training rows; outputs are in dollars.
    """

    metric = "rmse"
    roots = ("rmse",)

    defaults: ClassVar[Mapping[str, Any]] = {
        "layers": 1,
        "width": 30,
        "activation": "relu",
        "dropout": 0.0,
    }

    @checked
    def __init__(
        self,
        likelihood: Annotated[str, known("likelihood", LIKELIHOODS), Field(description=LIKELIHOOD)] = "squared",
        split: Annotated[Seed, Field(description="seed of the split")] = 0,
        beta: Annotated[Share, Field(description=BETA)] = 0.0,
    ) -> None:
        if beta and likelihood != "gaussian":
            raise TaskError(f"task_options.beta: has no effect with likelihood '{likelihood}'")
        self.gaussian = likelihood == "gaussian"
        self.beta = beta
        self.split = split

    def load(self, data_dir: Path | None) -> Dataset:
        """Read all houses and split them."""
        features, prices = house_prices(data_dir)
        if len(prices) <= TRAIN + VALIDATION:
            raise DataError(f"house prices: needs more than {TRAIN + VALIDATION} houses, got {len(prices)}")
        rows = np.random.default_rng(self.split).permutation(len(prices))
        train, validation, test = (
            (features[chosen], prices[chosen, None]) for chosen in np.split(rows, [TRAIN, TRAIN + VALIDATION])
        )
        return Dataset(*train, validation=validation, test=test)

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """4 features to a price (B, 1), or to a price and its standard deviation (B, 2), in dollars."""
        widths = [params["width"]] * whole(params, "layers", 0, 8)
        dense = mlp([4, *widths, 1 + self.gaussian], params["activation"], params["dropout"])
        return nn.Sequential(OrderedDict(standardise=Standardise(4), dense=dense, prices=Prices()))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error in (100 000 dollars)^2, or the weighed negative log-likelihood of prices in that unit, (B,)."""
        if not self.gaussian:
            return ((outputs[:, 0] - targets[:, 0]) / UNIT).square()
        return _likelihood(outputs, targets) * (outputs[:, 1] / UNIT).detach().pow(2 * self.beta)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Squared error in dollars^2, reported as its root; with a Gaussian likelihood also the negative log-likelihood,
        and whether the price is within one standard deviation.
        """
        error = outputs[:, 0] - targets[:, 0]
        if not self.gaussian:
            return {"rmse": error.square()}
        within = (error.abs() <= outputs[:, 1]).to(torch.float32)
        return {"rmse": error.square(), "likelihood": _likelihood(outputs, targets), "within_sd": within}


def _likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood (B,) of prices in units of 100 000 dollars."""
    mean, sd, price = outputs[:, 0] / UNIT, outputs[:, 1] / UNIT, targets[:, 0] / UNIT
    # As nn.functional.gaussian_nll_loss has it, which looks at its values, and so cannot be fused.
    return ((price - mean) / sd).square() / 2 + sd.log() + math.log(2 * math.pi) / 2


class Prices(Moments):
    """Outputs in dollars: (B, 1) a price; (B, 2) a price, and a standard deviation made positive by softplus."""

    def __init__(self) -> None:
        super().__init__(1)

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """See :meth:`FittedModule.fit`."""
        self.learn(targets)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1) or (B, 2) to the same shape."""
        price = x[:, :1] * self.std + self.mean
        if x.shape[1] == 1:
            return price
        return torch.cat([price, (nn.functional.softplus(x[:, 1:]) + SMALLEST_SD) * self.std], dim=1)
