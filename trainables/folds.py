"""Splitting rows into training and validation: k folds, the data's own split, or a share held out.

scikit-learn is imported where it is used: workers know splits but never make any, and so start a second faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError
from search_spaces.sections import TaskOptions
from trainables.task import Array, Dataset

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
        DataError: if there are fewer rows than folds.
    """
    if options.folds > 1:
        splits = _k_folds(dataset, options)
    elif dataset.validation is not None:
        splits = [_own_split(dataset)]
    else:
        splits = [held_out(dataset, options.validation, options.split_seed, "task_options.validation")]
    return splits * options.repeats


def refit_split(dataset: Dataset, validation: float | None, seed: int) -> Split:
    """The rows of the refit: see ``search_spaces.study.Refit.validation``."""
    if validation:
        return held_out(dataset, validation, seed, "refit.validation")
    if validation is None and dataset.validation is not None:
        return _own_split(dataset)
    return Split(np.arange(len(all_rows(dataset)[0])), np.arange(0))


def held_out(dataset: Dataset, share: float, seed: int, where: str = "validation") -> Split:
    """Hold out a share of all rows, stratified by class where targets are labels; ``where`` names the setting.

    Raises:
        DataError: if the share leaves no row on either side.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    inputs, targets = all_rows(dataset)
    count = round(share * len(inputs))
    if not 0 < count < len(inputs):
        raise DataError(f"{where}: a share of {share} of {len(inputs)} rows leaves one side empty")
    kind = StratifiedShuffleSplit if _can_stratify(dataset, targets, 2, count) else ShuffleSplit
    train, validation = next(kind(1, test_size=count, random_state=seed).split(inputs, targets))
    return Split(np.sort(train), np.sort(validation))


def _own_split(dataset: Dataset) -> Split:
    rows = len(all_rows(dataset)[0])
    return Split(np.arange(len(dataset.inputs)), np.arange(len(dataset.inputs), rows))


def _k_folds(dataset: Dataset, options: TaskOptions) -> list[Split]:
    from sklearn.model_selection import KFold, StratifiedKFold

    inputs, targets = all_rows(dataset)
    if options.folds > len(inputs):
        raise DataError(
            f"task_options.folds: needs at least as many rows, got {options.folds} folds of {len(inputs)} rows"
        )
    kind = StratifiedKFold if _can_stratify(dataset, targets, options.folds) else KFold
    folds = kind(options.folds, shuffle=True, random_state=options.split_seed)
    return [Split(train, validation) for train, validation in folds.split(inputs, targets)]


def _can_stratify(dataset: Dataset, targets: Array, least: int, held: int | None = None) -> bool:
    if not dataset.labels:
        return False
    classes, counts = np.unique(targets, return_counts=True)
    room = held is None or len(classes) <= min(held, len(targets) - held)
    return bool(counts.min() >= least and room)
