"""Ending a command in order on Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from rich.console import Console

from search_spaces.errors import OutputError
from search_spaces.trials.study_dir import StudyDir

INTERRUPTED = 130
"""Exit code, as shells have it for Ctrl-C."""

AGAIN_SECONDS = 0.1
"""Wait before a KeyboardInterrupt that Python dropped is raised again."""

GRACE_SECONDS = 5.0
"""Time for the command to clean up; then the process is ended."""


class interruptible:
    """Ends the program on Ctrl-C or SIGTERM and says how to go on with the study; a second signal ends it at once.

    The first signal raises KeyboardInterrupt. Python drops an exception that is raised inside one of its own hooks,
    such as those that run after a fork, and starting Ray forks many times. A dropped KeyboardInterrupt is raised again
    until it gets through. Ray may also wait long for a cluster that is gone, so after ``GRACE_SECONDS`` the process is
    ended whatever it does. A study survives that at any moment.

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
        # Any error counts: libraries turn KeyboardInterrupt into errors of their own, such as "Ray cannot be started".
        if self._asked.is_set() and kind is not None:
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
        console.print(f"interrupted{self._next()}", markup=False, highlight=False, soft_wrap=True)

    def _next(self) -> str:
        """How to go on; nothing where no study was begun in the folder, or was taken back because it could not begin."""
        try:
            StudyDir.open(self._folder)
        except OutputError:
            return ""
        return f"; go on with: tunefleet resume {shlex.quote(str(self._folder))}"
