"""The Ray Tune trainable: cohort after cohort in one worker, and long trials from their checkpoints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune

from search_spaces.choosing.rungs import Rule, Rungs
from search_spaces.study.sections import TaskOptions
from search_spaces.trials.limits import OUT_OF_TIME
from search_spaces.trials.outcome import State
from trainables import trainable
from trainables.data.folds import all_rows, search_splits
from trainables.plan import Plan
from trainables.report import CohortConfig, CohortReport
from trainables.tasks import make_task
from trainables.trainable import CohortTrainable, Job

TRIALS = tuple((n, {"width": 8, "lr": 0.01 * (n + 1), "dropout": 0.1}) for n in range(3))
EPOCHS = 6


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A worker that reports and saves after every epoch."""
    monkeypatch.setattr(trainable, "REPORT_SECONDS", 0.0)
    task = make_task("digits", {})
    dataset = task.load(None)
    plan = Plan(search_splits(dataset, TaskOptions(folds=2)), EPOCHS, key=0)
    return Job(task, *all_rows(dataset), plan, 1, None, (), None, tmp_path, checkpoint_seconds=0.0)


def worker(job: Job, config: CohortConfig) -> Any:
    return tune.with_parameters(CohortTrainable, job=job)({"cohort": config})


def steps(worker: Any, most: int = EPOCHS) -> list[CohortReport]:
    reports: list[CohortReport] = []
    while len(reports) < most and not (reports and reports[-1].live == 0):
        reports.append(worker.step()["report"])
    return reports


def curves(reports: Sequence[CohortReport]) -> dict[int, tuple[tuple[int, float], ...]]:
    found = {o.number: o.curve for report in reports for o in report.ended}
    assert all(len(curve) == EPOCHS for curve in found.values())
    return found


def test_a_worker_takes_the_next_cohort_as_a_fresh_one_would(local_ray: None, job: Job) -> None:
    first, second = CohortConfig("a", TRIALS[:1]), CohortConfig("b", TRIALS[1:])
    warm = worker(job, first)
    steps(warm)
    assert warm.reset_config({"cohort": second})
    kept, fresh = curves(steps(warm)), curves(steps(worker(job, second)))
    assert kept == fresh and set(kept) == {1, 2}


def test_long_trials_go_on_from_their_checkpoints(local_ray: None, job: Job) -> None:
    undisturbed = curves(steps(worker(job, CohortConfig("a", TRIALS))))
    steps(worker(job, CohortConfig("a", TRIALS)), most=4)  # and then it is killed
    resumed = steps(worker(job, CohortConfig("b", TRIALS, start=4)))
    assert [r.epoch for r in resumed] == [5, 6]
    assert curves(resumed) == undisturbed and set(undisturbed) == {0, 1, 2}


def test_a_damaged_checkpoint_means_from_the_start(local_ray: None, job: Job) -> None:
    undisturbed = curves(steps(worker(job, CohortConfig("a", TRIALS))))
    steps(worker(job, CohortConfig("a", TRIALS)), most=2)
    (job.checkpoints / "1.pt").write_bytes(b"torn")
    again = steps(worker(job, CohortConfig("b", TRIALS, start=2)))
    assert curves(again) == undisturbed


def test_a_cohort_that_cannot_be_made_fails_with_its_reason(
    local_ray: None, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: Any) -> None:
        raise MemoryError("no room for the stack")

    monkeypatch.setattr(trainable, "Cohort", too_large)
    (report,) = steps(worker(job, CohortConfig("a", TRIALS)))
    assert [(o.number, o.state) for o in report.ended] == [(n, State.FAIL) for n in range(3)]
    assert all((o.reason or "").startswith("MemoryError: no room for the stack") for o in report.ended)


def test_rungs_see_the_mean_over_folds_of_every_trial_that_came_so_far(local_ray: None, job: Job) -> None:
    """Of those too that run out of patience there, as their curves in the database will have it after a resume."""
    epochs = tuple(range(1, EPOCHS))
    rungs = ray.remote(num_cpus=0)(Rungs).remote(Rule(epochs, percentile=0))  # who is worse than all others stops
    impatient = replace(job, rungs=rungs, rung_epochs=epochs, plan=replace(job.plan, patience=1))
    trials = (*TRIALS, (3, {"width": 8, "lr": 1e-12, "optimizer": "sgd"}), (4, {"width": 8, "lr": 1e-11}))
    reports = steps(worker(impatient, CohortConfig("a", trials)))
    ended = {o.number: o for report in reports for o in report.ended}
    assert {o.state for o in ended.values()} == {State.COMPLETE, State.PRUNED}
    assert any(o.epochs in epochs for o in ended.values() if o.state is State.COMPLETE), "out of patience at a rung"
    folds = {(n, e.epoch): e.folds for report in reports for n, found in report.epochs.items() for e in found}
    state = ray.get(rungs.state.remote())
    assert state == {e: {n: v for n, o in ended.items() for at, v in o.curve if at == e} for e in epochs}
    assert all(v == pytest.approx(sum(folds[n, e]) / 2) for e, values in state.items() for n, v in values.items())


def test_at_the_deadline_trials_stop_after_their_epoch(local_ray: None, job: Job) -> None:
    late = worker(replace(job, deadline=time.time() + 1e6), CohortConfig("a", TRIALS))
    before = late.step()["report"]
    late._job = replace(late._job, deadline=0.0)
    after = late.step()
    ended = after["report"].ended
    assert after["done"] and [o.number for o in ended] == [0, 1, 2]
    assert {(o.state, o.epochs, o.reason) for o in ended} == {(State.PRUNED, 1, OUT_OF_TIME)}
    assert [o.value for o in ended] == [before.epochs[o.number][0].value for o in ended]


def test_what_begins_after_the_deadline_trains_nothing(local_ray: None, job: Job) -> None:
    (report,) = steps(worker(replace(job, deadline=0.0), CohortConfig("a", TRIALS)))
    assert {(o.state, o.epochs, o.value) for o in report.ended} == {(State.PRUNED, 0, None)}


@pytest.mark.parametrize("begun", [True, False])
def test_where_no_trial_has_completed_the_best_one_still_does(local_ray: None, job: Job, begun: bool) -> None:
    first = worker(replace(job, deadline=None if begun else 0.0), CohortConfig("a", TRIALS, first=True))
    values = {n: e[0].value for n, e in first.step()["report"].epochs.items()} if begun else {0: 0.0}
    first._job = replace(first._job, deadline=0.0)
    ended = [o for report in steps(first) for o in report.ended]
    best = min(values, key=lambda n: values[n])
    assert {o.number: (o.state, o.epochs) for o in ended if o.number == best} == {best: (State.COMPLETE, EPOCHS)}
    if begun:
        assert {o.state for o in ended if o.number != best} == {State.PRUNED} and len(ended) == 3
