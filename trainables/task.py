"""The interface of a task: what a study trains, and on what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from search_spaces.trials.objectives import Objective
from trainables.data.dataset import Dataset


class Task(ABC):
    """A supervised learning problem. Subclass it, and name the class in a study file: ``task: my_module:MyTask``.

    Constructor arguments are the task's options: every key of ``task_options`` that tunefleet does not know itself.
    """

    metric: ClassVar[str] = "loss"
    """What the search optimises: ``loss`` or a name that :meth:`metrics` returns."""

    mode: ClassVar[Literal["min", "max"]] = "min"
    """Whether small or large values of ``metric`` are good."""

    roots: ClassVar[tuple[str, ...]] = ()
    """Metrics that are reported as the square root of their mean over rows, such as a root mean squared error."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Hyperparameters of the network, with the values they take where a study does not search them."""

    @property
    def objective(self) -> Objective:
        """What the search optimises: metric and mode together."""
        return Objective(self.metric, self.mode)

    @abstractmethod
    def load(self, data_dir: Path | None) -> Dataset:
        """Read the data; called once, on the machine that starts the study.

        Args:
            data_dir: the folder given with ``--data``, or None.

        Raises:
            DataError: if a file is missing or malformed.
        """

    @abstractmethod
    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """Build an untrained network; called once per fold, with ``defaults`` and the trial's values."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each sample: (B, ...) outputs and (B, ...) targets to (B,)."""

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Other values of each sample, (B,) each, to be averaged over the validation and test rows; see ``roots``."""
        return {}
