"""The layout of cohorts."""

from __future__ import annotations

import pytest

from search_spaces.trials.cohorts import CohortPlan, Shape, form_cohorts
from search_spaces.trials.proposer import Proposal

SMALL, LARGE = Shape("a", steps=10, members=5, largest=100), Shape("b", steps=90, members=5, largest=100)


def trials(*counts: tuple[Shape, int]) -> list[tuple[Proposal, Shape]]:
    """So many trials of each shape, taking turns."""
    pairs = [(shape, i) for shape, count in counts for i in range(count)]
    return [(Proposal(n, {}), shape) for n, (shape, _) in enumerate(sorted(pairs, key=lambda p: p[1]))]


def sizes(cohorts: list[CohortPlan]) -> list[tuple[str, int]]:
    """Shape and number of trials of each cohort."""
    return [(c.shape.key, len(c.trials)) for c in cohorts]


@pytest.mark.parametrize("workers", [1, 2, 3, 8, 40])
def test_every_trial_once_and_every_worker_busy(workers: int) -> None:
    proposed = trials((SMALL, 7), (LARGE, 12))
    cohorts = form_cohorts(proposed, workers)
    assert sorted(p.number for c in cohorts for p in c.trials) == list(range(19))
    assert len(cohorts) >= min(workers, 19)
    shapes = {p.number: s for p, s in proposed}
    assert all(shapes[p.number] == c.shape for c in cohorts for p in c.trials)
    assert [c.cost for c in cohorts] == sorted((c.cost for c in cohorts), reverse=True)
    assert form_cohorts(proposed, workers) == cohorts


def test_one_shape_is_one_cohort_on_one_worker() -> None:
    assert sizes(form_cohorts(trials((SMALL, 9)), 1)) == [("a", 9)]
    assert sizes(form_cohorts(trials((SMALL, 9)), 4)) == [("a", 3), ("a", 2), ("a", 2), ("a", 2)]


def test_the_most_expensive_is_split_first() -> None:
    assert sizes(form_cohorts(trials((SMALL, 4), (LARGE, 4)), 3)) == [("b", 2), ("b", 2), ("a", 4)]


@pytest.mark.parametrize(("largest", "expected"), [(1, [1] * 7), (3, [3, 3, 1]), (4, [4, 3]), (7, [7])])
def test_no_cohort_is_larger_than_its_stack_may_be(largest: int, expected: list[int]) -> None:
    cohorts = form_cohorts(trials((Shape("a", largest=largest), 7)), 1)
    assert [len(c.trials) for c in cohorts] == expected


def test_checkpoints_of_different_epochs_do_not_mix() -> None:
    assert len(form_cohorts(trials((SMALL, 2), (Shape("a", 10, 5, 100, start=3), 2)), 1)) == 2


def test_nothing() -> None:
    assert form_cohorts([], 4) == []
