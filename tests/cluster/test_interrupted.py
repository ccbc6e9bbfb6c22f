"""Killing and interrupting a study at random moments, then going on with it: nothing is lost, nothing runs twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.result import StudyResult
from cluster.listener import Listener
from cluster.runner import resume, run
from search_spaces.study.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

STUDY = """
task: digits
task_options: {epochs: 12}
space:
  width: [16, 24, 32]
  lr: {low: 1e-4, high: 1e-1, log: true}
search: {sampler: random, trials: 36, seed: 3, concurrency: 12}
"""
ASHA = "early_stopping={asha: {grace_period: 2, reduction_factor: 3}}"
FINISHED = (1, 2, 3)  # of Optuna's TrialState: COMPLETE, PRUNED, FAIL
SET_STATE = 6  # Optuna's operation code in a journal


class Killed:
    """A ``tunefleet run`` in a process group of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        (folder / "s.yaml").write_text(STUDY)
        self.process = subprocess.Popen(
            [*TUNEFLEET, "run", "s.yaml", "--out", "out", *words],
            cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for(self, ended: int) -> None:
        """Wait until so many trials are finished (0: until the journal exists)."""
        journal = self.folder / "out" / "trials.journal"
        while self.process.poll() is None:
            if journal.exists() and sum(endings(journal).values()) >= ended:
                return
            time.sleep(0.05)

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


TUNEFLEET = [sys.executable, "-c", "from cluster.cli import main; main()"]


def tunefleet(folder: Path, *words: str) -> str:
    done = subprocess.run([*TUNEFLEET, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Heard(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        """See :class:`Listener`."""
        self.said.append(text)


def resumed(folder: Path) -> str:
    """Go on with a study in this process, whose Ray runs already; returns what it said."""
    heard = Heard()
    resume(folder / "out", listener=heard)
    return "\n".join(heard.said)


def endings(journal: Path) -> Counter[int]:
    """How often each trial was finished; a torn last line counts for nothing."""
    count: Counter[int] = Counter()
    for line in journal.read_bytes().split(b"\n")[:-1]:
        record = json.loads(line)
        if record["op_code"] == SET_STATE and record["state"] in FINISHED:
            count[record["trial_id"]] += 1
    return count


def summary(folder: Path) -> dict[str, Any]:
    """What ``tunefleet show --json`` prints, without the seconds that a process takes to start."""
    return StudyResult(folder / "out").summary()


def trials(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = summary(folder)["trials"]
    return found


@pytest.fixture(scope="module")
def undisturbed(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "s.yaml").write_text(STUDY)
    run(Study.load(folder / "s.yaml"), out=folder / "out")
    return trials(folder)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[Killed] = []

    def begin(*words: str) -> Killed:
        started.append(Killed(tmp_path, *words))
        return started[-1]

    yield begin
    for one in started:
        one.end()


@pytest.mark.parametrize(
    ("ended", "group", "torn"),
    [(0, False, False), (1, True, True), (9, False, True), (20, True, False), (34, False, False)],
)
def test_kill_and_resume(start: Any, undisturbed: list[dict[str, Any]], ended: int, group: bool, torn: bool) -> None:
    killed = start()
    killed.wait_for(ended)
    (os.killpg if group else os.kill)(killed.process.pid, signal.SIGKILL)
    killed.process.communicate()
    journal = killed.folder / "out" / "trials.journal"
    if torn:
        with journal.open("ab") as file:
            file.write(b'{"op_code": 6, "wor')
    before = endings(journal)
    values = {t["number"]: t["value"] for t in trials(killed.folder) if t["state"] == "COMPLETE"} if not torn else {}
    said = resumed(killed.folder)
    assert ("repaired trials.journal" in said) == torn
    after = trials(killed.folder)
    assert [t["state"] for t in after] == ["COMPLETE"] * 36
    assert set(endings(journal).values()) == {1} and before.keys() <= endings(journal).keys()
    assert [t["params"] for t in after] == [t["params"] for t in undisturbed]
    assert {n: after[n]["value"] for n in values} == values


def test_rungs_are_kept(local_ray: None, start: Any) -> None:
    """No trial that is judged after the resume sees an emptier rung than its predecessors left."""
    killed = start("--set", ASHA, "--set", "search.concurrency=2")
    killed.wait_for(12)
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.communicate()
    before = {t["number"]: t for t in trials(killed.folder) if t["state"] in {"COMPLETE", "PRUNED"}}
    resumed(killed.folder)
    after = trials(killed.folder)
    assert {n: after[n] for n in before} == before
    late = [t for t in after if t["number"] not in before]
    assert sum(t["state"] == "PRUNED" for t in late) >= len(late) / 2  # an empty first rung lets everyone pass


def test_a_killed_population_goes_on_as_if_nothing_had_happened(local_ray: None, start: Any, tmp_path: Path) -> None:
    pbt = {"search.pbt": {"population": 12, "interval": 2}, "space.width": 16}
    killed = start(*(word for key, value in pbt.items() for word in ("--set", f"{key}={json.dumps(value)}")))
    killed.wait_for(12)
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.communicate()
    resumed(killed.folder)
    other = tmp_path / "undisturbed"
    other.mkdir()
    (other / "s.yaml").write_text(STUDY)
    run(Study.load(other / "s.yaml", pbt), out=other / "out")
    after = trials(killed.folder)
    assert [t["state"] for t in after] == ["COMPLETE"] * 36
    assert after == trials(other)
    assert summary(killed.folder)["best"] == summary(other)["best"]


@pytest.mark.parametrize("ended", [0, 10])
def test_ctrl_c(start: Any, ended: int) -> None:
    killed = start()
    killed.wait_for(ended)
    asked = time.monotonic()
    os.killpg(killed.process.pid, signal.SIGINT)
    _, said = killed.process.communicate(timeout=60)
    assert time.monotonic() - asked < 10
    assert killed.process.returncode == 130 and said == "interrupted; go on with: tunefleet resume out\n"
    tunefleet(killed.folder, "resume", "out")
    assert [t["state"] for t in trials(killed.folder)] == ["COMPLETE"] * 36


def test_two_processes_never_run_one_study(start: Any) -> None:
    killed = start()
    killed.wait_for(1)
    second = subprocess.run(
        [*TUNEFLEET, "resume", "out"], cwd=killed.folder, capture_output=True, text=True, check=False
    )
    assert second.returncode == 2 and "this study is running already, in another process" in second.stderr
