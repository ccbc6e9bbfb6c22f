"""Ctrl-C and SIGTERM at awkward moments; every case is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from cluster.interruptible import GRACE_SECONDS, INTERRUPTED

PROGRAM = """
import os, sys, time
from pathlib import Path
from cluster.interruptible import interruptible

def say(word):
    print(word, flush=True)

with interruptible(Path("out")):
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
FINISHES = """
    try:
        say("ready")
        time.sleep(60)
    except KeyboardInterrupt:
        say("finished anyway")
"""
NEXT = "interrupted; go on with: tunefleet resume out\n"


def interrupted(body: str, number: int) -> tuple[int, str, str, float]:
    """Exit code, what was said on both streams after the signal, and the seconds until the end."""
    program = PROGRAM.format(body=body.strip())
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
def test_unwinds_and_says_what_to_type(body: str, number: int) -> None:
    assert interrupted(body, number)[:3] == (INTERRUPTED, "unwound\n", NEXT)


@pytest.mark.parametrize(("body", "said"), [(SWALLOWED, "swallowed\n"), (HANGS_AT_EXIT, "")])
def test_what_does_not_end_is_cut_off(body: str, said: str) -> None:
    code, out, complaint, seconds = interrupted(body, signal.SIGINT)
    assert (code, out, complaint) == (INTERRUPTED, said, NEXT)
    assert GRACE_SECONDS <= seconds < GRACE_SECONDS + 20


def test_what_finishes_all_the_same_goes_on() -> None:
    assert interrupted(FINISHES, signal.SIGINT)[:3] == (0, "finished anyway\ndone\n", "")
