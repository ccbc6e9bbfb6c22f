"""A data set that cannot be trained on cannot exist."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from search_spaces.errors import DataError
from trainables.data.dataset import Dataset

X, Y = np.ones((4, 2)), np.arange(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[:0], Y), "training inputs: must have at least one row, got shape (0, 2)"),
        ((np.float64(3), Y), "training inputs: must have at least one row, got shape ()"),
        ((X, Y[:3]), "training: inputs and targets must have as many rows, got 4 and 3"),
        ((np.array([[1.0], [np.nan]]), Y[:2]), "training inputs: every number must be finite, row 1 is not"),
        ((np.array([[1.0], [1e300]]), Y[:2]), "training inputs: every number must be finite, row 1 is not"),
        ((X, np.array(list("abcd"))), "training targets: must hold numbers, got <U1"),
        ((X, Y, (X, Y[:1])), "validation: inputs and targets must have as many rows, got 4 and 1"),
    ],
)
def test_malformed_arrays_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError) as error:
        Dataset(*arguments)
    assert str(error.value) == message


def test_types() -> None:
    dataset = Dataset(X, Y, test=lambda: (X, Y))
    assert dataset.inputs.dtype == np.float32
    assert dataset.targets.dtype == np.int64
    assert dataset.labels
    assert not Dataset(X, Y[:, None]).labels
    assert not Dataset(X, X).labels


def test_the_test_split_is_read_when_asked_for() -> None:
    reads: list[int] = []

    def read() -> tuple[np.ndarray, np.ndarray]:
        reads.append(1)
        return X, Y[: 3 if len(reads) < 2 else 4]

    dataset = Dataset(X, Y, test=read)
    assert not reads
    with pytest.raises(DataError, match="^test: inputs and targets must have as many rows"):
        dataset.read_test()
    assert dataset.read_test() is not None
    assert dataset.read_test() is not None
    assert len(reads) == 2
    assert Dataset(X, Y).read_test() is None
    assert Dataset(X, Y, test=(X, Y)).read_test() is not None
