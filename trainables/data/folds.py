"""Splitting rows, or a subset of them, into training and validation: k folds, the data's own split, or a share.

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
    """Row numbers of one fold. ``validation`` is empty where everything is trained on."""

    train: Rows
    validation: Rows


def all_rows(dataset: Dataset) -> tuple[Array, Array]:
    """Training rows with the data's own validation rows behind them, which is what splits point into."""
    if dataset.validation is None:
        return dataset.inputs, dataset.targets
    return (
        np.concatenate([dataset.inputs, dataset.validation[0]]),
        np.concatenate([dataset.targets, dataset.validation[1]]),
    )


def search_splits(dataset: Dataset, options: TaskOptions) -> list[Split]:
    """The folds of a trial, each as often as ``options.repeats`` says.

    Raises:
        DataError: if there are too few rows.
    """
    seed = options.split_seed
    if options.folds > 1:
        rows = _drawn(dataset, _every(dataset), options.subset, seed, "task_options.subset")
        splits = k_folds(dataset, options.folds, seed, rows, "task_options.folds")
    elif dataset.validation is not None:
        splits = [_own_split(dataset, options.subset, seed, "task_options.subset")]
    else:
        rows = _drawn(dataset, _every(dataset), options.subset, seed, "task_options.subset")
        splits = [held_out(dataset, options.validation, seed, rows, "task_options.validation")]
    return splits * options.repeats


def refit_split(dataset: Dataset, refit: Refit, seed: int) -> Split:
    """The rows of the refit: see ``search_spaces.study.sections.Refit``.

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
    targets = all_rows(dataset)[1][rows]
    kind = StratifiedKFold if _can_stratify(dataset, targets, folds) else KFold
    made = kind(folds, shuffle=True, random_state=seed).split(rows, targets)
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
    """Draw ``held`` of the rows for validation."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    targets = all_rows(dataset)[1][rows]
    kind = StratifiedShuffleSplit if _can_stratify(dataset, targets, 2, held) else ShuffleSplit
    train, validation = next(kind(1, test_size=held, random_state=seed).split(rows, targets))
    return Split(rows[np.sort(train)], rows[np.sort(validation)])


def _drawn(dataset: Dataset, rows: Rows, count: int | None, seed: int, where: str) -> Rows:
    """``count`` of the rows, or all of them."""
    if count is None or count == len(rows):
        return rows
    if count > len(rows):
        raise DataError(f"{where}: must be at most the {len(rows)} rows that there are, got {count}")
    return _split(dataset, rows, count, seed).validation


def _every(dataset: Dataset) -> Rows:
    return np.arange(len(all_rows(dataset)[0]))


def _own_split(dataset: Dataset, subset: int | None, seed: int, where: str) -> Split:
    train = len(dataset.inputs)
    return Split(_drawn(dataset, np.arange(train), subset, seed, where), _every(dataset)[train:])


def _can_stratify(dataset: Dataset, targets: Array, least: int, held: int | None = None) -> bool:
    if not dataset.labels:
        return False
    classes, counts = np.unique(targets, return_counts=True)
    room = held is None or len(classes) <= min(held, len(targets) - held)
    return bool(counts.min() >= least and room)
