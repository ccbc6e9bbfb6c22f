"""Ctrl-C and SIGTERM at awkward moments; every case is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.interruptible import GRACE_SECONDS, INTERRUPTED

PROGRAM = """
import os, sys, time
from pathlib import Path
from cluster.interruptible import interruptible

def say(word):
    print(word, flush=True)

with interruptible(Path("my study")):
    {body}
say("done")
"""

UNWINDS = """
    try:
        say("ready")
        time.sleep(60)
    finally:
        say("unwound")
"""
IN_A_FORK = """
    try:
        os.register_at_fork(after_in_parent=lambda: (say("ready"), time.sleep(1)))
        if os.fork() == 0:
            os._exit(0)
        time.sleep(60)
    finally:
        say("unwound")
"""
IN_A_DESTRUCTOR = """
    class Slow:
        def __del__(self):
            say("ready")
            time.sleep(1)
    try:
        Slow()
        time.sleep(60)
    finally:
        say("unwound")
"""
ANOTHER_ERROR = """
    try:
        say("ready")
        time.sleep(60)
    except KeyboardInterrupt:
        say("unwound")
        raise ValueError("a worker is gone") from None
"""
SWALLOWED = """
    try:
        say("ready")
        time.sleep(60)
    except BaseException:
        pass
    say("swallowed")
    time.sleep(60)
"""
HANGS_AT_EXIT = """
    import atexit
    atexit.register(time.sleep, 60)
    say("ready")
    time.sleep(60)
"""
TAKES_THE_STUDY_BACK = """
    from search_spaces.trials.study_dir import StudyDir
    from search_spaces.errors import ClusterError
    try:
        say("ready")
        time.sleep(60)
    except KeyboardInterrupt:
        StudyDir("my study").discard_if_unused()
        raise ClusterError("local: Ray cannot be started") from None
"""
FINISHES = """
    try:
        say("ready")
        time.sleep(60)
    except KeyboardInterrupt:
        say("finished anyway")
"""
NEXT = "interrupted; go on with: tunefleet resume 'my study'\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a study in it."""
    (tmp_path / "my study").mkdir()
    (tmp_path / "my study" / "study.yaml").write_text("task: digits")
    return tmp_path


def interrupted(here: Path, body: str, number: int) -> tuple[int, str, str, float]:
    """Exit code, what was said on both streams after the signal, and the seconds until the end."""
    program = PROGRAM.format(body=body.strip())
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        asked = time.monotonic()
        os.kill(process.pid, number)
        out, complaint = process.communicate(timeout=50)
        return process.returncode, out, complaint, time.monotonic() - asked
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("body", [UNWINDS, IN_A_FORK, IN_A_DESTRUCTOR, ANOTHER_ERROR])
def test_unwinds_and_says_what_to_type(here: Path, body: str, number: int) -> None:
    assert interrupted(here, body, number)[:3] == (INTERRUPTED, "unwound\n", NEXT)


@pytest.mark.parametrize(("body", "said"), [(SWALLOWED, "swallowed\n"), (HANGS_AT_EXIT, "")])
def test_what_does_not_end_is_cut_off(here: Path, body: str, said: str) -> None:
    code, out, complaint, seconds = interrupted(here, body, signal.SIGINT)
    assert (code, out, complaint) == (INTERRUPTED, said, NEXT)
    assert GRACE_SECONDS <= seconds < GRACE_SECONDS + 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_study_there_is_nothing_to_go_on_with(tmp_path: Path, number: int) -> None:
    assert interrupted(tmp_path, UNWINDS, number)[:3] == (INTERRUPTED, "unwound\n", "interrupted\n")


def test_a_study_that_was_taken_back_is_not_offered(here: Path) -> None:
    assert interrupted(here, TAKES_THE_STUDY_BACK, signal.SIGINT)[:3] == (INTERRUPTED, "", "interrupted\n")


def test_what_finishes_all_the_same_goes_on(here: Path) -> None:
    assert interrupted(here, FINISHES, signal.SIGINT)[:3] == (0, "finished anyway\ndone\n", "")
