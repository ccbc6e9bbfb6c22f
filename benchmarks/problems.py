"""Functions with known optima as tasks: a trial of one epoch is one evaluation, on the way that every trial takes.

The network of such a task has its hyperparameters as buffers, so that any two configurations share a stack and
population-based training can move them; its validation loss is the function's value, and ``truth`` the same without
noise. Its only parameter is the noise: training draws a standard normal number z, a function of (seed, trial, fold,
epoch) as dropout's are, and one step of SGD with a learning rate of 1 on (parameter - z)^2 / 2 puts z in its place.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from trainables.data.dataset import Array, Dataset
from trainables.layers.keyed import KeyedModule
from trainables.task import Task

Point = Mapping[str, Tensor]
"""Hyperparameters by name, a float64 of any one shape each; choices by their place in the list."""

RECIPE = {"optimizer": "sgd", "lr": 1.0, "batch_size": "full"}
"""Constants of every space, of SGD, one step of which replaces the noise."""


class Function(Task):
    """A function to be minimised over ``space``."""

    space: ClassVar[dict[str, Any]]
    optimum: ClassVar[float]
    noise: ClassVar[float] = 0.0
    """Standard deviation of what is added to the value that a searcher sees."""

    numbers_only: ClassVar[bool] = False
    """Whether the space has neither choices nor conditions."""

    @abstractmethod
    def value(self, point: Point) -> Tensor:
        """Values at points, without noise; hyperparameters that are not active there make no difference."""

    def load(self, data_dir: Path | None) -> Dataset:
        """One row to train on, one to validate on; nothing is learned from either."""
        row = np.zeros((1, 1)), np.zeros((1, 1))
        return Dataset(*row, validation=row)

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """See the module."""
        return _Evaluation(self, {name: self._number(name, params[name]) for name in self.defaults})

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The value with noise, (B,)."""
        return outputs[:, 0]

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The value without noise."""
        return {"truth": outputs[:, 1]}

    def _number(self, name: str, value: Any) -> float:
        spec = self.space[name]
        return float(spec.index(value) if isinstance(spec, list) else value)


class _Evaluation(KeyedModule):
    def __init__(self, function: Function, point: Mapping[str, float]) -> None:
        super().__init__()
        self.function = function
        self.names = tuple(point)
        for name, number in point.items():
            self.register_buffer(name, torch.tensor(number, dtype=torch.float64))
        self.noise = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1) to (B, 2): what is minimised, and the function's value."""
        truth = self.function.value({name: self.get_buffer(name) for name in self.names})
        if self.training:
            u, v = self.uniform((len(x), 2)).to(torch.float64).unbind(1)
            normal = (-2 * (1 - u).log()).sqrt() * (2 * math.pi * v).cos()  # Box and Muller 1958
            loss = (self.noise - normal).square() / 2
        else:
            loss = truth + self.function.noise * self.noise
        return torch.stack([loss.expand(len(x)), truth.expand(len(x))], dim=1)


HARTMANN_ALPHA = (1.0, 1.2, 3.0, 3.2)
HARTMANN_3 = (
    ((3, 10, 30), (0.3689, 0.1170, 0.2673)),
    ((0.1, 10, 35), (0.4699, 0.4387, 0.7470)),
    ((3, 10, 30), (0.1091, 0.8732, 0.5547)),
    ((0.1, 10, 35), (0.0381, 0.5743, 0.8828)),
)
HARTMANN_6 = (
    ((10, 3, 17, 3.5, 1.7, 8), (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886)),
    ((0.05, 10, 17, 0.1, 8, 14), (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991)),
    ((3, 3.5, 1.7, 10, 17, 8), (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650)),
    ((17, 8, 0.05, 10, 0.1, 14), (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381)),
)
"""Steepness and place of each of four wells."""


def hartmann(x: list[Tensor], wells: tuple[Any, ...]) -> Tensor:
    """-sum_i alpha_i exp(-sum_j A_ij (x_j - P_ij)^2) on the unit cube, in 3 or 6 dimensions.

    Source: Hartman, "Some experiments in global optimization", Naval Research Logistics Quarterly 1973; constants as
    in Dixon and Szegoe, "The global optimization problem", 1978. Minima -3.86278 and -3.32237.
    """
    return -sum(
        (
            alpha * (-sum(a * (xj - p) ** 2 for a, xj, p in zip(steep, x, place, strict=True))).exp()
            for alpha, (steep, place) in zip(HARTMANN_ALPHA, wells, strict=True)
        ),
        torch.zeros_like(x[0]),
    )


def _unit(names: list[str], **more: Any) -> dict[str, Any]:
    return {name: {"low": 0.0, "high": 1.0, **more} for name in names}


A = [f"a{i}" for i in range(1, 4)]
B = [f"b{i}" for i in range(1, 7)]
X = [f"x{i}" for i in range(1, 7)]


class Conditional(Function):
    """Hartmann's function in 3 dimensions on one branch, and in 6 on the other, whose minimum is not as low."""

    space: ClassVar[dict[str, Any]] = {
        **RECIPE,
        "branch": ["three", "six"],
        **_unit(A, when={"branch": "three"}),
        **_unit(B, when={"branch": "six"}),
    }
    defaults: ClassVar[Mapping[str, Any]] = {"branch": "three", **dict.fromkeys([*A, *B], 0.5)}
    optimum: ClassVar[float] = -3.8627797873326593

    def value(self, point: Point) -> Tensor:
        """See the class."""
        three = hartmann([point[name] for name in A], HARTMANN_3)
        return torch.where(point["branch"] == 0, three, hartmann([point[name] for name in B], HARTMANN_6))


class Noisy(Function):
    """Hartmann's function in 6 dimensions; what a searcher sees has noise of 0.2."""

    space: ClassVar[dict[str, Any]] = {**RECIPE, **_unit(X)}
    defaults: ClassVar[Mapping[str, Any]] = dict.fromkeys(X, 0.5)
    optimum: ClassVar[float] = -3.322368011415513
    noise: ClassVar[float] = 0.2
    numbers_only: ClassVar[bool] = True

    def value(self, point: Point) -> Tensor:
        """See the class."""
        return hartmann([point[name] for name in X], HARTMANN_6)


GENES = [f"gene{i}" for i in range(1, 9)]
ALLELES = ["a", "b", "c", "d", "e"]


def _contributions() -> Array:
    """(8, 5, 5): of a gene, by its own allele and the next one's."""
    return np.random.default_rng(0).random((len(GENES), len(ALLELES), len(ALLELES)))


class Categorical(Function):
    """An NK landscape: 8 genes of 5 alleles in a circle, each contributing by its own allele and its neighbour's.

    The value is 1 minus the mean contribution; these are uniform random numbers, drawn once. Source: Kauffman and
    Weinberger, "The NK model of rugged fitness landscapes", Journal of Theoretical Biology 1989. The optimum, of
    390625 points, is found by dynamic programming in the tests.
    """

    space: ClassVar[dict[str, Any]] = {**RECIPE, **dict.fromkeys(GENES, ALLELES)}
    defaults: ClassVar[Mapping[str, Any]] = dict.fromkeys(GENES, ALLELES[0])
    optimum: ClassVar[float] = 0.10042489728408655

    def __init__(self) -> None:
        self.contributions = torch.from_numpy(_contributions())

    def value(self, point: Point) -> Tensor:
        """See the class."""
        alleles = torch.arange(len(ALLELES), dtype=torch.float64)
        genes = torch.stack([point[name] for name in GENES], dim=-1)
        chosen = (genes.unsqueeze(-1) == alleles).to(torch.float64)
        return 1 - torch.einsum("...gi,...gj,gij->...", chosen, chosen.roll(-1, -2), self.contributions) / len(GENES)


FUNCTIONS: dict[str, type[Function]] = {"conditional": Conditional, "categorical": Categorical, "noisy": Noisy}
