"""The data of a task: arrays with one row per sample, checked where they are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError, TunefleetError, reason

Array = NDArray[Any]
Pair = tuple[Array, Array]


CHUNK = 1 << 20
"""Numbers that are checked at once, so that a file mapped into memory need not fit there."""


@dataclass(frozen=True)
class Dataset:
    """Arrays of a task, with one row per sample.

    Arrays of a fitting type are kept, not copied: do not change them afterwards, or map them from a file
    (``np.load(..., mmap_mode="r")``). Only a validation split costs a copy: it is joined to the training rows once,
    here, and then ``inputs``, ``targets`` and ``validation`` are views of the joined arrays.

    Args:
        inputs: (N, ...) training inputs; floats become float32, whole numbers stay as they are.
        targets: (N, ...) training targets; whole numbers of shape (N,) are class labels, and are split by strata.
        validation: (inputs, targets) to validate on, where the data brings such a split.
        test: (inputs, targets), or a function that reads them. It is called once, after the refit.

    Attributes:
        all_rows: (inputs, targets) of the training rows, then of the validation rows; splits hold row numbers of these.

    Raises:
        DataError: if rows do not match, there are none, or a number is not finite.
    """

    inputs: Array
    targets: Array
    validation: Pair | None = None
    test: Pair | Callable[[], Pair] | None = None
    all_rows: Pair = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._set(*checked_pair((self.inputs, self.targets), "training"))
        if self.validation is None:
            object.__setattr__(self, "all_rows", (self.inputs, self.targets))
            return
        inputs, targets = self._alike(checked_pair(self.validation, "validation"), "validation")
        count = len(self.inputs)
        x, y = np.concatenate([self.inputs, inputs]), np.concatenate([self.targets, targets])
        self._set(x[:count], y[:count])
        object.__setattr__(self, "validation", (x[count:], y[count:]))
        object.__setattr__(self, "all_rows", (x, y))

    def read_test(self) -> Pair | None:
        """Read the test split the first time that it is asked for; None where the task has none.

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
        return _are_labels(self.targets)

    def _set(self, inputs: Array, targets: Array) -> None:
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "targets", targets)

    def _alike(self, pair: Pair, what: str) -> Pair:
        """Return the pair, if its rows have the shape of the training rows."""
        for kind, rows, known in zip(("inputs", "targets"), pair, (self.inputs, self.targets), strict=True):
            if rows.shape[1:] != known.shape[1:]:
                raise DataError(
                    f"{what} {kind}: must have rows of shape {known.shape[1:]} like those of training, got {rows.shape[1:]}"
                )
        return pair


def checked(array: Array, what: str) -> Array:
    """Return an array fit for training, the same one where possible: at least one row, floats as float32 and finite.

    Raises:
        DataError: if it is not; the message begins with ``what``.
    """
    array = np.asarray(array)
    if array.ndim == 0 or len(array) == 0:
        raise DataError(f"{what}: must have at least one row, got shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            array = array.astype(np.float32, copy=False)
        _check_finite(array, what)
    elif not (np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise DataError(f"{what}: must hold numbers, got {array.dtype}")
    if any(stride < 0 or stride % array.itemsize for stride in array.strides):
        return array.copy(order="K")  # torch takes no such array, a reversed one for instance
    return array


def checked_pair(pair: Pair, what: str) -> Pair:
    """Return (inputs, targets) fit for training; class labels as int64, which torch's losses want.

    Raises:
        DataError: if either is unfit, or they differ in length.
    """
    inputs, targets = checked(pair[0], f"{what} inputs"), checked(pair[1], f"{what} targets")
    if len(inputs) != len(targets):
        raise DataError(f"{what}: inputs and targets must have as many rows, got {len(inputs)} and {len(targets)}")
    return inputs, targets.astype(np.int64, copy=False) if _are_labels(targets) else targets


def _are_labels(targets: Array) -> bool:
    return targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer)


def _check_finite(array: Array, what: str) -> None:
    rows = max(1, CHUNK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows]
        finite = np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1)
        if not finite.all():
            raise DataError(f"{what}: every number must be finite, row {start + int(np.argmin(finite))} is not")
