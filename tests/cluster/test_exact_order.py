"""The exact order on real workers: the same journal on any number of them, in this process, under load, and after kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.search_alone import search_alone
from cluster.listener import Listener
from cluster.prepared import prepare
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage, repair_journal
from search_spaces.trials.outcome import SECONDS, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TPE = {"search.sampler": "tpe", "search.concurrency": 4, "search.options.n_startup_trials": 4}
ASHA, POPULATION = {"asha": {"grace_period": 1, "reduction_factor": 3}}, {"population": 6, "interval": 2}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "asha": ("digits", {**TPE, "early_stopping": ASHA}),
    "hyperband": ("digits", {**TPE, "early_stopping": {"hyperband": {"grace_period": 1, "reduction_factor": 3}}}),
    "median": ("digits", {**TPE, "early_stopping": {"median": {"grace_period": 2, "min_trials": 2, "interval": 2}}}),
    "genetic": ("digits", {"search.sampler": "genetic", "search.options.population": 6, "early_stopping": ASHA}),
    "pbt": ("digits_population", {"search.pbt": POPULATION}),
}
KILLED_AFTER = (2, 7, 12)
"""Trials that have ended."""


def exact(method: str) -> Study:
    name, changes = METHODS[method]
    sizes = {"search.trials": 18, "task_options.epochs": 9, "search.seed": 0, "search.order": "exact"}
    return Study.load(name, {**sizes, **changes})


def content(database: TrialDatabase) -> list[tuple[Any, ...]]:
    """Everything in a journal but the times."""
    return [
        (t.number, t.state, t.params, t.values, t.intermediate_values, {**t.user_attrs, SECONDS: 0})
        for t in database.trials()
    ]


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Other programs that take all they can; as nice as Ray's workers, which others would leave nothing at all."""
    code = "import os; os.nice(15)\nwhile True: pass"
    programs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(loops)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def run_and_kill(method: str, folder: Path, ended: int) -> None:
    """Search in a process of its own, which is killed once so many trials have ended."""
    code = f"""
from pathlib import Path
from benchmarks.search_alone import search_alone
from cluster.listener import Listener
from cluster.prepared import prepare
from tests.cluster.test_exact_order import exact
search_alone(prepare(exact({method!r})), Path({str(folder)!r}), "inline")
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], start_new_session=True)
    journal = folder / "trials.journal"
    try:
        while process.poll() is None:
            if journal.exists() and journal.read_bytes().count(b'"op_code":6,') >= ended:
                break
            time.sleep(0.01)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    repair_journal(journal)


@pytest.mark.parametrize("method", METHODS)
def test_five_ways_to_one_journal(local_ray: None, tmp_path: Path, method: str) -> None:
    prepared = prepare(exact(method))
    expected = content(search_alone(prepared, tmp_path / "inline"))
    assert len(expected) == 18
    for workers in (1, 2):
        found = content(search_alone(prepared, tmp_path / str(workers), "ray_tune", workers=workers))
        assert found == expected, f"{workers} workers"
    with busy(2):
        assert content(search_alone(prepared, tmp_path / "busy", "ray_tune")) == expected
    for ended in KILLED_AFTER:
        run_and_kill(method, tmp_path / "killed", ended)
    unfinished = TrialDatabase(
        open_storage(tmp_path / "killed" / "trials.journal", None), prepared.study.name, prepared.objectives
    )
    assert len(unfinished.trials()) < 18 or any(not t.state.is_finished() for t in unfinished.trials())
    assert content(search_alone(prepared, tmp_path / "killed", "ray_tune")) == expected


def workers_of(process: int) -> list[int]:
    """Process numbers of Ray's workers below a process, of those that train a stack or wait for one."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    below = {process}
    for _ in range(4):  # driver, raylet, worker
        below |= {int(pid) for pid, parent, _ in rows if int(parent) in below}
    return [int(pid) for pid, _, words in rows if int(pid) in below and "ResourceTrainable" in words]


class Killer(Listener):
    """Kills a worker when some trials have ended."""

    def __init__(self, after: tuple[int, ...]) -> None:
        self.after, self.ended, self.killed = after, 0, 0

    def trial_ended(self, outcome: Outcome) -> None:
        """See :class:`Listener`."""
        self.ended += 1
        due = self.killed < len(self.after) and self.ended >= self.after[self.killed]
        if due and (found := workers_of(os.getpid())):  # none has its name while Ray starts one again
            os.kill(found[0], signal.SIGKILL)
            self.killed += 1


def test_workers_that_are_killed_change_nothing(local_ray: None, tmp_path: Path) -> None:
    prepared = prepare(exact("asha"))
    expected = content(search_alone(prepared, tmp_path / "inline"))
    killer = Killer((3, 9))
    assert content(search_alone(prepared, tmp_path / "ray", "ray_tune", killer)) == expected
    assert killer.killed == 2
