"""The networks that were trained with the best configuration, read back."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from search_spaces.errors import DataError, OutputError, reason
from search_spaces.trials.best import read_metrics
from search_spaces.trials.study_dir import StudyDir
from trainables.data.dataset import Array, checked
from trainables.refit import networks_of, predict
from trainables.task import Task


class RefittedNetwork:
    """The networks that were refitted with the best configuration, one per seed.

    Args:
        task: builds the networks.
        folder: of the study.

    Raises:
        OutputError: if the study has not been refitted, or its networks cannot be read.
    """

    def __init__(self, task: Task, folder: StudyDir) -> None:
        try:
            saved = torch.load(folder.best_model, weights_only=True)
        except Exception as error:
            raise OutputError(f"{folder.best_model}: cannot be read, {reason(error)}") from error
        metrics = read_metrics(folder)
        if metrics is None:
            raise OutputError(f"{folder.best_metrics}: is missing, the refit has not finished")
        self.params: dict[str, Any] = saved["params"]
        self.networks: list[nn.Module] = networks_of(task, self.params, saved["states"])
        self.validation, self.test, self.kfold = metrics.values()

    @property
    def network(self) -> nn.Module:
        """The first network, in evaluation mode, on the CPU."""
        return self.networks[0]

    def predict(self, inputs: Array, ensemble: bool = True) -> Array:
        """Outputs for inputs (N, ...): the mean over all networks, or of the first network alone.

        Raises:
            DataError: if the inputs are not finite numbers, or not of the network's shape.
        """
        rows = torch.tensor(checked(inputs, "inputs"))
        try:
            outputs: Array = predict(self.networks if ensemble else self.networks[:1], rows).mean(dim=0).numpy()
        except RuntimeError as error:
            raise DataError(
                f"inputs: the network takes no rows of shape {tuple(rows.shape[1:])}, {reason(error)}"
            ) from error
        return outputs
