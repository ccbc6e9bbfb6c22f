"""Splitting rows, or a subset of them, into training and validation: k folds, the data's own split, or a share.

Everything here works with row numbers of ``Dataset.all_rows``; no inputs are read or copied.
scikit-learn is imported where it is used: workers know splits but never make any, and so start a second faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError
from search_spaces.study.sections import Refit, TaskOptions
from trainables.data.dataset import Array, Dataset

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of ``Dataset.all_rows``, to train and to validate on; ``validation`` may be empty."""

    train: Rows
    validation: Rows


def search_splits(dataset: Dataset, options: TaskOptions) -> list[Split]:
    """The splits that every trial is trained on: all folds once, then once more for each further repeat.

    A data set's own validation split is used as it is, unless folds are asked for: these are made of all rows.

    Raises:
        DataError: if there are too few rows.
    """
    seed = options.split_seed
    if options.folds == 1 and dataset.validation is not None:
        return [_own_split(dataset, options.subset, seed, "task_options.subset")] * options.repeats
    rows = _drawn(dataset, _every(dataset), options.subset, seed, "task_options.subset")
    if options.folds > 1:
        return k_folds(dataset, options.folds, seed, rows, "task_options.folds") * options.repeats
    return [held_out(dataset, options.validation, seed, rows, "task_options.validation")] * options.repeats


def refit_split(dataset: Dataset, refit: Refit, seed: int) -> Split:
    """The rows that the refit is trained on, and those held out: see ``search_spaces.study.sections.Refit``.

    Raises:
        DataError: if there are too few rows.
    """
    if refit.validation is None and dataset.validation is not None:
        return _own_split(dataset, refit.subset, seed, "refit.subset")
    rows = _drawn(dataset, _every(dataset), refit.subset, seed, "refit.subset")
    if refit.validation:
        return held_out(dataset, refit.validation, seed, rows, "refit.validation")
    return Split(rows, np.arange(0))


def k_folds(dataset: Dataset, folds: int, seed: int, rows: Rows | None = None, where: str = "folds") -> list[Split]:
    """k folds of ``rows`` (all by default), stratified by class where targets are labels; ``where`` names the setting.

    Raises:
        DataError: if there are fewer rows than folds.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    rows = _every(dataset) if rows is None else rows
    if folds > len(rows):
        raise DataError(f"{where}: needs at least as many rows, got {folds} folds of {len(rows)} rows")
    classes = _strata(dataset, rows, folds)
    kind = KFold if classes is None else StratifiedKFold
    made = kind(folds, shuffle=True, random_state=seed).split(rows, classes)
    return [Split(rows[train], rows[validation]) for train, validation in made]


def held_out(dataset: Dataset, share: float, seed: int, rows: Rows | None = None, where: str = "validation") -> Split:
    """Hold out a share of ``rows`` (all by default), stratified by class where targets are labels.

    Raises:
        DataError: naming the setting ``where``, if the share leaves no row on either side.
    """
    rows = _every(dataset) if rows is None else rows
    count = round(share * len(rows))
    if not 0 < count < len(rows):
        raise DataError(f"{where}: a share of {share} of {len(rows)} rows leaves one side empty")
    return _split(dataset, rows, count, seed)


def _split(dataset: Dataset, rows: Rows, held: int, seed: int) -> Split:
    """Draw ``held`` of the rows for validation, stratified by class where that is possible."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    classes = _strata(dataset, rows, 2, held)
    kind = ShuffleSplit if classes is None else StratifiedShuffleSplit
    train, validation = next(kind(1, test_size=held, random_state=seed).split(rows, classes))
    return Split(rows[np.sort(train)], rows[np.sort(validation)])


def _drawn(dataset: Dataset, rows: Rows, count: int | None, seed: int, where: str) -> Rows:
    """Draw ``count`` of the rows, or keep all of them; ``where`` names the setting in an error."""
    if count is None or count == len(rows):
        return rows
    if count > len(rows):
        raise DataError(f"{where}: must be at most the {len(rows)} rows that there are, got {count}")
    return _split(dataset, rows, count, seed).validation


def _every(dataset: Dataset) -> Rows:
    return np.arange(len(dataset.all_rows[1]))


def _own_split(dataset: Dataset, subset: int | None, seed: int, where: str) -> Split:
    """Train on the data's own training rows, or a subset of them; validate on all of its validation rows."""
    rows, train = _every(dataset), len(dataset.inputs)
    return Split(_drawn(dataset, rows[:train], subset, seed, where), rows[train:])


def _strata(dataset: Dataset, rows: Rows, least: int, held: int | None = None) -> Array | None:
    """The classes of the rows; None where they cannot be stratified.

    They can where each class has ``least`` rows, and (where ``held`` rows are held out) each side has room for every class.
    """
    if not dataset.labels:
        return None
    labels = dataset.all_rows[1][rows]
    classes, counts = np.unique(labels, return_counts=True)
    room = held is None or len(classes) <= min(held, len(labels) - held)
    return labels if counts.min() >= least and room else None
