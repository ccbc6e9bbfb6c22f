"""The searcher, driven as Ray Tune drives it."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.searcher import CRASHED, MOST_DEATHS, CohortSearcher
from search_spaces.study.study import Study
from search_spaces.trials.cohorts import CohortPlan, Shape
from search_spaces.trials.database import memory_database
from search_spaces.trials.outcome import Outcome, State
from search_spaces.trials.proposer import Proposal, Proposer


class Driven:
    """A searcher with what it says to others."""

    def __init__(
        self, trials: int, workers: int = 1, concurrency: int = 100, bad: Any = None, population: int | None = None
    ) -> None:
        pbt = {} if population is None else {"pbt": {"population": population}}
        study = Study(task="t", space={"x": {"low": 0.0, "high": 1.0}}, search={"trials": trials, "seed": 0, **pbt})
        proposer = Proposer(study, memory_database("study", "min"), "min")
        self.told: list[Outcome] = []
        self.bad = bad
        self.searcher = CohortSearcher(proposer, self.shape, self.told.append, lambda c: c, workers, concurrency)
        self.count = 0

    def shape(self, proposal: Proposal) -> Shape:
        if proposal.number == self.bad:
            raise ValueError("cannot be built")
        return Shape("k", largest=1000)

    def suggest(self) -> tuple[str, Any]:
        self.count += 1
        answer = self.searcher.suggest(str(self.count))
        return str(self.count), answer["cohort"] if isinstance(answer, dict) else answer

    def end(self, name: str, cohort: CohortPlan) -> None:
        for proposal in cohort.trials:
            self.searcher.ended(proposal.number)
        self.searcher.on_trial_complete(name, {})


def numbers(cohort: CohortPlan) -> list[int]:
    return [p.number for p in cohort.trials]


def test_every_worker_gets_a_cohort_and_then_it_is_finished() -> None:
    driven = Driven(6, workers=2)
    (a, one), (b, two) = driven.suggest(), driven.suggest()
    assert sorted(numbers(one) + numbers(two)) == list(range(6))
    assert driven.suggest()[1] is None
    driven.end(a, one)
    driven.end(b, two)
    assert driven.suggest()[1] == CohortSearcher.FINISHED


def test_no_more_trials_are_pending_than_allowed() -> None:
    driven = Driven(20, workers=1, concurrency=4)
    (a, first), (_, second) = driven.suggest(), driven.suggest()
    assert [numbers(first), numbers(second)] == [[0, 1], [2, 3]]
    assert driven.suggest()[1] is None
    driven.end(a, first)
    assert numbers(driven.suggest()[1]) == [4, 5]


def test_a_trial_that_cannot_be_built_never_reaches_a_worker() -> None:
    driven = Driven(3, bad=1)
    assert numbers(driven.suggest()[1]) == [0, 2]
    (failed,) = driven.told
    assert (failed.number, failed.state) == (1, State.FAIL) and (failed.reason or "").startswith("ValueError: cannot")


@pytest.mark.parametrize("culprit", [0, 5, 9])
def test_the_trial_that_kills_its_process_is_found_and_the_others_run(culprit: int) -> None:
    driven = Driven(10)
    finished: list[int] = []
    while True:
        name, cohort = driven.suggest()
        if cohort == CohortSearcher.FINISHED:
            break
        if culprit in numbers(cohort):
            driven.searcher.on_trial_complete(name, error=True)
        else:
            finished += numbers(cohort)
            driven.end(name, cohort)
    assert sorted(finished) == [n for n in range(10) if n != culprit]
    assert [(o.number, o.reason) for o in driven.told] == [(culprit, CRASHED)]


def test_a_trial_whose_machine_went_once_gets_a_second_chance() -> None:
    driven = Driven(1)
    name, cohort = driven.suggest()
    driven.searcher.on_trial_complete(name, error=True)
    name, again = driven.suggest()
    assert numbers(again) == numbers(cohort) == [0]
    driven.end(name, again)
    assert driven.told == [] and driven.suggest()[1] == CohortSearcher.FINISHED


def test_workers_that_never_report_end_the_search() -> None:
    driven = Driven(500)
    deaths = 0
    while (answer := driven.suggest())[1] != CohortSearcher.FINISHED:
        driven.searcher.on_trial_complete(answer[0], error=True)
        deaths += 1
    assert driven.searcher.given_up and deaths == MOST_DEATHS + 2


def test_a_population_whose_process_died_runs_again_whole() -> None:
    driven = Driven(6, population=3)
    name, first = driven.suggest()
    assert numbers(first) == [0, 1, 2]
    driven.searcher.ended(1)  # it diverged, before the process died
    driven.searcher.on_trial_complete(name, error=True)
    name, again = driven.suggest()
    assert numbers(again) == [0, 1, 2]
    driven.searcher.on_trial_complete(name, error=True)
    assert [(o.number, o.state, o.reason) for o in driven.told] == [(n, State.FAIL, CRASHED) for n in (0, 2)]
    assert numbers(driven.suggest()[1]) == [3, 4, 5]
