"""The data of a task: arrays with one row per sample, checked where they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError, TunefleetError, reason

Array = NDArray[Any]
Pair = tuple[Array, Array]


@dataclass(frozen=True)
class Dataset:
    """Arrays of a task, with one row per sample.

    Args:
        inputs: (N, ...) training inputs; floats become float32, whole numbers stay as they are.
        targets: (N, ...) training targets; whole numbers of shape (N,) are class labels, and are split by strata.
        validation: (inputs, targets) to validate on, where the data brings such a split.
        test: (inputs, targets), or a function that reads them. It is called once, after the refit.

    Raises:
        DataError: if rows do not match, there are none, or a number is not finite.
    """

    inputs: Array
    targets: Array
    validation: Pair | None = None
    test: Pair | Callable[[], Pair] | None = None

    def __post_init__(self) -> None:
        inputs, targets = checked_pair((self.inputs, self.targets), "training")
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets)
        if self.validation is not None:
            object.__setattr__(
                self, "validation", self._alike(checked_pair(self.validation, "validation"), "validation")
            )

    def read_test(self) -> Pair | None:
        """Read the test split, when it is first asked for; None where the task has none.

        Raises:
            DataError: if it cannot be read, or is not fit for use.
        """
        try:
            pair = self.test() if callable(self.test) else self.test
        except TunefleetError:
            raise
        except Exception as error:  # of a user's own task
            raise DataError(f"test: cannot be read, {reason(error)}") from error
        rows = None if pair is None else self._alike(checked_pair(pair, "test"), "test")
        object.__setattr__(self, "test", rows)
        return rows

    @property
    def labels(self) -> bool:
        """Whether targets are class labels."""
        return self.targets.ndim == 1 and np.issubdtype(self.targets.dtype, np.integer)

    def _alike(self, pair: Pair, what: str) -> Pair:
        for kind, rows, known in zip(("inputs", "targets"), pair, (self.inputs, self.targets), strict=True):
            if rows.shape[1:] != known.shape[1:]:
                raise DataError(
                    f"{what} {kind}: must have rows of shape {known.shape[1:]} like those of training, got {rows.shape[1:]}"
                )
        return pair


def checked(array: Array, what: str) -> Array:
    """Return an array fit for training: floats as float32, nothing infinite, at least one row."""
    array = np.asarray(array)
    if array.ndim == 0 or len(array) == 0:
        raise DataError(f"{what}: must have at least one row, got shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            array = array.astype(np.float32)
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not finite.all():
            raise DataError(f"{what}: every number must be finite, row {int(np.argmin(finite))} is not")
        return array
    if not (np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise DataError(f"{what}: must hold numbers, got {array.dtype}")
    return array


def checked_pair(pair: Pair, what: str) -> Pair:
    """Return (inputs, targets) fit for training; class labels as int64, which torch's losses want."""
    inputs, targets = checked(pair[0], f"{what} inputs"), checked(pair[1], f"{what} targets")
    if len(inputs) != len(targets):
        raise DataError(f"{what}: inputs and targets must have as many rows, got {len(inputs)} and {len(targets)}")
    labels = targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer)
    return inputs, targets.astype(np.int64) if labels else targets
