"""The worker: leg after leg, cohort after cohort, with states that any other worker can go on from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from search_spaces.study.sections import TaskOptions
from trainables import worker as module
from trainables.data.folds import search_splits
from trainables.messages import Leg, Report
from trainables.plan import Plan
from trainables.tasks import make_task
from trainables.worker import Job, Worker

TRIALS = tuple((n, {"width": 8, "lr": 0.01 * (n + 1), "dropout": 0.1}) for n in range(3))
EPOCHS = 6
CPU = torch.device("cpu")


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    """A worker that reports and saves after every epoch."""
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.0)
    task = make_task("digits", {})
    dataset = task.load(None)
    plan = Plan(search_splits(dataset, TaskOptions(folds=2)), EPOCHS, key=0)
    return Job(task, *dataset.all_rows, plan, checkpoint_seconds=0.0)


def leg(trials: Any = TRIALS, start: int = 0, until: int = EPOCHS, **more: Any) -> Leg:
    return Leg(trials[0][0], trials, start, until, **more)


def steps(worker: Worker, one: Leg, most: int = EPOCHS) -> list[Report]:
    worker.begin(one)
    reports: list[Report] = []
    while len(reports) < most and not (reports and reports[-1].done):
        reports.append(worker.step())
    return reports


def curves(reports: Sequence[Report]) -> dict[int, tuple[tuple[int, float], ...]]:
    found = {o.number: o.curve for report in reports for o in report.ended}
    assert all(len(curve) == EPOCHS for curve in found.values())
    return found


def test_a_worker_takes_the_next_cohort_as_a_fresh_one_would(job: Job) -> None:
    warm = Worker(job, CPU)
    steps(warm, leg(TRIALS[:1]))
    kept, fresh = (curves(steps(worker, leg(TRIALS[1:]))) for worker in (warm, Worker(job, CPU)))
    assert kept == fresh and set(kept) == {1, 2}


def test_legs_add_up_on_one_worker_and_on_several(job: Job) -> None:
    undisturbed = curves(steps(Worker(job, CPU), leg()))
    one, saved = Worker(job, CPU), None
    for start, until in ((0, 1), (1, 4), (4, 4), (4, EPOCHS)):
        reports = steps(one, leg(start=start, until=until))
        assert one.holds(leg(start=until, until=EPOCHS)) == (until < EPOCHS)
    assert curves(reports) == undisturbed
    for start, until in ((0, 2), (2, 5), (5, EPOCHS)):
        reports = steps(Worker(job, CPU), leg(start=start, until=until, saved=saved))
        saved = reports[-1].state
    assert curves(reports) == undisturbed


def test_at_the_end_of_a_leg_each_trial_says_how_it_stands(job: Job) -> None:
    (*_, last) = steps(Worker(job, CPU), leg(until=3))
    assert last.done and last.live == (0, 1, 2) == tuple(last.paused) and not last.ended
    assert {(o.state, o.epochs) for o in last.paused.values()} == {(TrialState.PRUNED, 3)}
    assert [o.value for o in last.paused.values()] == [last.epochs[n][-1].value for n in range(3)]


def test_trials_that_a_rung_has_stopped_are_left_behind(job: Job) -> None:
    held, other = Worker(job, CPU), Worker(job, CPU)
    saved = steps(held, leg(until=2))[-1].state
    rest = leg(TRIALS[1:], start=2, saved=saved)
    rest = replace(rest, cohort=0)
    assert held.holds(rest) and not other.holds(rest)
    ours, theirs = curves(steps(held, rest)), curves(steps(other, rest))
    assert ours == theirs and set(ours) == {1, 2}


def test_states_come_while_training_too(job: Job) -> None:
    first = steps(Worker(job, CPU), leg(), most=4)
    assert [r.epoch for r in first] == [1, 2, 3, 4] and not any(r.done for r in first)
    resumed = steps(Worker(job, CPU), leg(start=4, saved=first[-1].state))
    assert [r.epoch for r in resumed] == [5, 6]
    assert curves(resumed) == curves(steps(Worker(job, CPU), leg()))
    rare = steps(Worker(replace(job, checkpoint_seconds=60.0), CPU), leg(), most=4)
    assert all(r.state is None for r in rare)


def test_a_stack_that_cannot_be_made_fails_with_its_reason(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: Any) -> None:
        raise MemoryError("no room for the stack")

    monkeypatch.setattr(module, "Cohort", too_large)
    (report,) = steps(Worker(job, CPU), leg())
    assert report.done and [(o.number, o.state) for o in report.ended] == [(n, TrialState.FAIL) for n in range(3)]
    assert all((o.reason or "").startswith("MemoryError: no room for the stack") for o in report.ended)


def test_at_the_deadline_trials_rest_after_their_epoch(job: Job) -> None:
    worker = Worker(job, CPU)
    worker.begin(leg(deadline=time.time() + 1e6))
    before = worker.step()
    worker._leg = leg(deadline=0.0)
    after = worker.step()
    assert not before.done and after.done and after.epoch == 1
    assert [o.value for o in after.paused.values()] == [e[0].value for e in before.epochs.values()]


def test_what_begins_after_the_deadline_trains_nothing(job: Job) -> None:
    (report,) = steps(Worker(job, CPU), leg(deadline=0.0))
    assert report.done and {(o.epochs, o.value) for o in report.paused.values()} == {(0, None)}


def test_a_worker_without_a_leg_says_so(job: Job) -> None:
    with pytest.raises(RuntimeError, match="a worker without a leg has nothing to train"):
        Worker(job, CPU).step()
