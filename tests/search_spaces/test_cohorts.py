"""The layout of cohorts: a function of the proposals, never of the number of workers."""

from __future__ import annotations

import pytest

from search_spaces.trials.cohorts import MOST_PIECES, CohortPlan, form_cohorts
from search_spaces.trials.proposal import STEP_OVERHEAD, Proposal, Shape

HEAVY = STEP_OVERHEAD
SMALL, LARGE = (Shape(key, steps, 5, largest=100, work=HEAVY) for key, steps in (("a", 10), ("b", 90)))


def trials(*counts: tuple[Shape, int]) -> list[Proposal]:
    """So many trials of each shape, taking turns."""
    pairs = sorted(((i, shape) for shape, count in counts for i in range(count)), key=lambda pair: pair[0])
    return [Proposal(n, {}, shape) for n, (_, shape) in enumerate(pairs)]


def sizes(cohorts: list[CohortPlan]) -> list[tuple[str, int]]:
    """Shape and number of trials of each cohort."""
    return [(c.shape.key, len(c.trials)) for c in cohorts]


def test_every_trial_once_and_many_workers_busy() -> None:
    proposed = trials((SMALL, 7), (LARGE, 12))
    cohorts = form_cohorts(proposed)
    assert sorted(p.number for c in cohorts for p in c.trials) == list(range(19))
    assert len(cohorts) == MOST_PIECES
    assert all(p.shape == c.shape for c in cohorts for p in c.trials)
    assert [c.cost for c in cohorts] == sorted((c.cost for c in cohorts), reverse=True)
    assert len({c.name for c in cohorts}) == MOST_PIECES
    assert form_cohorts(proposed) == cohorts


@pytest.mark.parametrize(("work", "expected"), [(1, [9]), (HEAVY // 10, [5, 4]), (HEAVY, [2, 1, 1, 1, 1, 1, 1, 1])])
def test_a_group_is_cut_while_that_saves_time(work: int, expected: list[int]) -> None:
    assert [len(c.trials) for c in form_cohorts(trials((Shape("a", 10, 5, 100, work), 9)))] == expected


def test_the_most_expensive_is_cut_first() -> None:
    heavy = Shape("b", 90, 1, largest=100, work=HEAVY // 2)
    light = Shape("a", 10, 1, largest=100, work=HEAVY // 2)
    assert sizes(form_cohorts(trials((light, 4), (heavy, 8)))) == [("b", 4), ("b", 4), ("a", 4)]


@pytest.mark.parametrize(("largest", "expected"), [(1, [1] * 7), (3, [3, 3, 1]), (4, [4, 3]), (7, [7])])
def test_no_cohort_is_larger_than_its_stack_may_be(largest: int, expected: list[int]) -> None:
    cohorts = form_cohorts(trials((Shape("a", largest=largest), 7)))
    assert [len(c.trials) for c in cohorts] == expected


def test_a_population_is_never_cut() -> None:
    assert sizes(form_cohorts(trials((Shape("a", largest=3, work=HEAVY), 7)), together=True)) == [("a", 7)]


def test_trials_without_a_network_are_left_out() -> None:
    assert form_cohorts([]) == []
    assert form_cohorts([Proposal(0, {}, problem="ValueError: cannot be built")]) == []
