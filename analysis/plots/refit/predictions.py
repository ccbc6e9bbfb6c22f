"""What the figures of the refit are drawn from: the task's data, and what the refitted networks answer."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch

from analysis.plots.style import Floats, Ints
from analysis.result import StudyResult
from search_spaces.errors import DataError, reason
from trainables.data.dataset import Array, Pair
from trainables.refit import predict


class Predictions:
    """The rows of a study's task, and what its refitted networks answer.

    Args:
        result: a study that was refitted.

    Raises:
        TunefleetError: if its networks or its data cannot be read.
    """

    def __init__(self, result: StudyResult) -> None:
        self._networks = result.refit.networks
        self.train: Pair = (result.dataset.inputs, result.dataset.targets)
        try:
            self.test: Pair | None = result.dataset.read_test()
        except OSError as error:
            raise DataError(f"the test data of task {result.study.task} cannot be read: {reason(error)}") from error
        self.labels = result.dataset.labels

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output for one sample."""
        return self.outputs(self.train[0][:1]).shape[2:]

    @cached_property
    def classes(self) -> Ints | None:
        """The classes that the outputs tell apart; see :func:`classes_of`. None where targets are no labels."""
        if not self.labels:
            return None
        every = self.train[1] if self.test is None else np.concatenate([self.train[1], self.test[1]])
        return classes_of(every, self.output_shape)

    def outputs(self, inputs: Array) -> Array:
        """Outputs (S, N, ...) of the S networks for inputs (N, ...)."""
        result: Array = predict(self._networks, torch.tensor(inputs)).numpy()
        return result


def classes_of(labels: Array, output_shape: tuple[int, ...]) -> Ints | None:
    """Classes that outputs of this shape (without the rows) stand for, in the order of the scores.

    One number per sample is a logit between two classes, C numbers are logits of the labels 0..C-1; None where
    shape and labels fit neither.
    """
    columns = math.prod(output_shape)
    if len(output_shape) > 1:
        return None
    if columns == 1:
        distinct = np.unique(labels).astype(np.int64)
        return distinct if len(distinct) == 2 else None
    return np.arange(columns) if labels.min() >= 0 and labels.max() < columns else None


def scores(outputs: Array) -> Floats:
    """Logits (N, C) of the classes; a single logit z of two classes becomes (0, z)."""
    flat = np.asarray(outputs, dtype=float).reshape(len(outputs), -1)
    return np.hstack([np.zeros_like(flat), flat]) if flat.shape[1] == 1 else flat


def probabilities(outputs: Array) -> Floats:
    """Softmax of the scores, (N, C)."""
    logits = scores(outputs)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result
