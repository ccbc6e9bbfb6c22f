"""Splits against scikit-learn, and the rules of held-out shares."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

from search_spaces.errors import DataError
from search_spaces.study.sections import Refit, TaskOptions
from trainables.data.dataset import Dataset
from trainables.data.folds import held_out, refit_split, search_splits

RNG = np.random.default_rng(0)
NUMBERS = Dataset(RNG.normal(size=(100, 2)), RNG.normal(size=(100, 1)))
LABELS = Dataset(RNG.normal(size=(100, 2)), RNG.permutation(np.repeat([0, 1, 2], [60, 30, 10])))
SPLIT = Dataset(np.zeros((8, 2)), np.zeros((8, 1)), validation=(np.ones((3, 2)), np.ones((3, 1))))


@pytest.mark.parametrize("folds", [2, 5, 8])
def test_folds_are_those_of_scikit_learn(folds: int) -> None:
    for dataset, kind in ((NUMBERS, KFold), (LABELS, StratifiedKFold)):
        splits = search_splits(dataset, TaskOptions(folds=folds, split_seed=3))
        expected = kind(folds, shuffle=True, random_state=3).split(dataset.inputs, dataset.targets)
        for split, (train, validation) in zip(splits, expected, strict=True):
            assert split.train.tolist() == train.tolist()
            assert split.validation.tolist() == validation.tolist()
        assert sorted(np.concatenate([s.validation for s in splits])) == list(range(100))


def test_strata_are_kept() -> None:
    for split in search_splits(LABELS, TaskOptions(folds=5)):
        assert np.bincount(LABELS.targets[split.validation]).tolist() == [12, 6, 2]


def test_a_class_smaller_than_the_folds_is_not_stratified() -> None:
    rare = Dataset(np.zeros((20, 1)), np.array([1] * 2 + [0] * 18))
    splits = search_splits(rare, TaskOptions(folds=5))
    assert sorted(np.concatenate([s.validation for s in splits])) == list(range(20))


def test_more_folds_than_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"task_options\.folds: needs at least as many rows, got 101 folds of 100 rows"):
        search_splits(NUMBERS, TaskOptions(folds=101))
    assert len(search_splits(NUMBERS, TaskOptions(folds=100))) == 100


def test_repeats_repeat_the_folds() -> None:
    splits = search_splits(NUMBERS, TaskOptions(folds=2, repeats=3))
    assert len(splits) == 6
    assert splits[0] is splits[2] is splits[4]


@pytest.mark.parametrize(("share", "count"), [(0.2, 20), (0.015, 2), (0.99, 99)])
def test_held_out_share(share: float, count: int) -> None:
    split = held_out(NUMBERS, share, 0)
    assert len(split.validation) == count
    assert sorted([*split.train, *split.validation]) == list(range(100))


def test_held_out_is_stratified_and_seeded() -> None:
    split = held_out(LABELS, 0.2, 0)
    assert np.bincount(LABELS.targets[split.validation]).tolist() == [12, 6, 2]
    assert held_out(LABELS, 0.2, 0).validation.tolist() == split.validation.tolist()
    assert held_out(LABELS, 0.2, 1).validation.tolist() != split.validation.tolist()


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_share_that_leaves_one_side_empty_is_refused(share: float) -> None:
    with pytest.raises(DataError, match=f"a share of {share} of 100 rows leaves one side empty"):
        held_out(NUMBERS, share, 0)


def test_the_data_may_bring_its_own_split() -> None:
    (split,) = search_splits(SPLIT, TaskOptions())
    assert (split.train.tolist(), split.validation.tolist()) == (list(range(8)), [8, 9, 10])
    inputs, targets = SPLIT.all_rows
    assert inputs[split.validation].all()
    assert not targets[split.train].any()
    assert len(search_splits(SPLIT, TaskOptions(folds=11))) == 11


@pytest.mark.parametrize(
    ("dataset", "share", "held"),
    [(NUMBERS, None, 0), (NUMBERS, 0.0, 0), (NUMBERS, 0.1, 10), (SPLIT, None, 3), (SPLIT, 0.0, 0)],
)
def test_what_the_refit_holds_out(dataset: Dataset, share: float | None, held: int) -> None:
    split = refit_split(dataset, Refit(validation=share), 0)
    assert len(split.validation) == held
    assert len(split.train) + held == len(dataset.all_rows[0])


@pytest.mark.parametrize("folds", [1, 4])
@pytest.mark.parametrize("dataset", [NUMBERS, LABELS])
def test_a_subset_is_split_and_nothing_else(dataset: Dataset, folds: int) -> None:
    splits = search_splits(dataset, TaskOptions(folds=folds, subset=20, validation=0.25))
    used = {row for split in splits for row in (*split.train, *split.validation)}
    assert len(used) == 20
    for split in splits:
        assert sorted([*split.train, *split.validation]) == sorted(used)
        assert len(split.validation) == 5
    if folds > 1:
        assert sorted(np.concatenate([s.validation for s in splits])) == sorted(used)
    if dataset.labels:
        assert np.bincount(dataset.targets[sorted(used)]).tolist() == [12, 6, 2]


def test_a_subset_is_seeded() -> None:
    drawn = [
        np.concatenate([s.validation for s in search_splits(NUMBERS, TaskOptions(folds=2, subset=30, split_seed=seed))])
        for seed in (0, 0, 1)
    ]
    assert drawn[0].tolist() == drawn[1].tolist()
    assert set(drawn[0]) != set(drawn[2])


def test_a_subset_of_all_rows_is_all_rows() -> None:
    whole, subset = (search_splits(LABELS, TaskOptions(folds=5, subset=count)) for count in (None, 100))
    assert all(np.array_equal(a.validation, b.validation) for a, b in zip(whole, subset, strict=True))


def test_a_subset_leaves_the_datas_own_validation_split_alone() -> None:
    (split,) = search_splits(SPLIT, TaskOptions(subset=5))
    assert len(set(split.train)) == 5
    assert set(split.train) < set(range(8))
    assert split.validation.tolist() == [8, 9, 10]
    mixed = search_splits(SPLIT, TaskOptions(subset=9, folds=3))
    assert len({row for s in mixed for row in s.validation}) == 9


@pytest.mark.parametrize(
    ("dataset", "options", "count"),
    [
        (NUMBERS, {"subset": 101}, 100),
        (NUMBERS, {"subset": 101, "folds": 2}, 100),
        (SPLIT, {"subset": 9}, 8),
        (SPLIT, {"subset": 12, "folds": 2}, 11),
    ],
)
def test_too_large_a_subset_is_refused_by_name(dataset: Dataset, options: dict[str, int], count: int) -> None:
    rule = f"must be at most the {count} rows that there are, got {options['subset']}$"
    with pytest.raises(DataError, match=rf"^task_options\.subset: {rule}"):
        search_splits(dataset, TaskOptions(**options))


@pytest.mark.parametrize(
    ("dataset", "share", "train", "held"),
    [(NUMBERS, None, 40, 0), (NUMBERS, 0.25, 30, 10), (LABELS, 0.5, 20, 20), (SPLIT, None, 6, 3), (SPLIT, 0.0, 6, 0)],
)
def test_the_refits_subset(dataset: Dataset, share: float | None, train: int, held: int) -> None:
    split = refit_split(dataset, Refit(subset=6 if dataset is SPLIT else 40, validation=share), 0)
    assert (len(set(split.train)), len(set(split.validation))) == (train, held)
    assert not set(split.train) & set(split.validation)
    if dataset is LABELS:
        assert np.bincount(LABELS.targets[split.train]).tolist() == [12, 6, 2]


def test_too_large_a_subset_of_the_refit_is_refused_by_name() -> None:
    for dataset, share in ((NUMBERS, None), (NUMBERS, 0.1), (SPLIT, None), (SPLIT, 0.5)):
        with pytest.raises(DataError, match=r"^refit\.subset: must be at most the \d+ rows that there are, got 101$"):
            refit_split(dataset, Refit(subset=101, validation=share), 0)


def test_what_cannot_be_split_names_the_setting() -> None:
    with pytest.raises(DataError, match=r"^task_options\.folds: needs at least as many rows, got 30 folds of 20 rows$"):
        search_splits(NUMBERS, TaskOptions(folds=30, subset=20))
    with pytest.raises(
        DataError, match=r"^task_options\.validation: a share of 0\.01 of 20 rows leaves one side empty$"
    ):
        search_splits(NUMBERS, TaskOptions(validation=0.01, subset=20))
    with pytest.raises(DataError, match=r"^refit\.validation: a share of 0\.01 of 20 rows leaves one side empty$"):
        refit_split(NUMBERS, Refit(validation=0.01, subset=20), 0)
