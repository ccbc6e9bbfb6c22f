"""Ending a command on Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from rich.console import Console

INTERRUPTED = 130
"""Exit code, as shells have it for Ctrl-C."""

AGAIN_SECONDS = 0.1
"""Until an interruption that was dropped is tried again."""

GRACE_SECONDS = 5.0
"""For everything to end in order."""


class interruptible:
    """Ends the program on Ctrl-C or SIGTERM with what to type next; a second signal ends it on the spot.

    The first one raises KeyboardInterrupt. Python drops an exception that is raised inside one of its own hooks, such
    as those of a fork, and Ray's start is forks for the most part: then it is raised again, until it is heard. What
    has not ended after a while (Ray may wait long for a cluster that is gone) is cut off, which a study survives at
    any moment.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = threading.Event()
        self._over = threading.Event()
        self._said = False
        self._unraisable = sys.unraisablehook

    def __enter__(self) -> None:
        threading.Thread(target=self._cut_off, daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asked.is_set() and kind is not None:  # any error: of what was interrupted, others may have made theirs
            self._say_next()
            sys.exit(INTERRUPTED)
        self._over.set()

    def _interrupt(self, number: int, frame: FrameType | None) -> NoReturn:
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, lambda *_: os._exit(INTERRUPTED))
        self._asked.set()
        sys.unraisablehook = self._dropped
        signal.signal(signal.SIGALRM, self._raise)
        self._raise()

    def _raise(self, *_: Any) -> NoReturn:
        raise KeyboardInterrupt

    def _dropped(self, event: sys.UnraisableHookArgs) -> None:
        if event.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            self._unraisable(event)

    def _cut_off(self) -> None:
        self._asked.wait()
        if not self._over.wait(GRACE_SECONDS):
            self._say_next()
            os._exit(INTERRUPTED)

    def _say_next(self) -> None:
        if self._said:
            return
        self._said = True
        console = Console(stderr=True)
        console.show_cursor()  # a progress display that was cut off has hidden it
        console.print(
            f"interrupted; go on with: tunefleet resume {self._folder}", markup=False, highlight=False, soft_wrap=True
        )
