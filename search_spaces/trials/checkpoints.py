"""Checkpoints of stacks that are not finished: what lets long trials go on after a kill."""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from search_spaces.errors import OutputError


@dataclass(frozen=True)
class Saved:
    """A checkpoint.

    Args:
        epoch: that it stands at.
        trials: numbers of those in training then.
        state: of the stack, as its worker wrote it.
    """

    epoch: int
    trials: tuple[int, ...]
    state: bytes


class Checkpoints:
    """The checkpoints of one study, each in one file that is written whole or not at all.

    A file is a line of JSON (epoch, trials, check sum) and the state behind it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: int, saved: Saved) -> None:
        """Write the checkpoint of a cohort, in place of an earlier one.

        Raises:
            OutputError: if it cannot be written, on a full disk for instance.
        """
        head = {"epoch": saved.epoch, "trials": list(saved.trials), "crc32": zlib.crc32(saved.state)}
        aside = self._folder / f".{name}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(json.dumps(head).encode() + b"\n" + saved.state)
            os.replace(aside, self._path(name))
        except OSError as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise OutputError(f"{self._path(name)}: cannot be written, {error.strerror}") from error

    def read(self, name: int) -> Saved | None:
        """The checkpoint of a cohort; None where there is none that can be read."""
        try:
            line, _, state = self._path(name).read_bytes().partition(b"\n")
            head = json.loads(line)
            saved = Saved(int(head["epoch"]), tuple(map(int, head["trials"])), state)
            whole = head["crc32"] == zlib.crc32(state)
        except (OSError, ValueError, KeyError, TypeError):  # missing, or damaged in any of the ways a file can be
            return None
        return saved if whole else None

    def remove(self, name: int) -> None:
        """Forget a checkpoint, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: int) -> Path:
        return self._folder / f"{name}.pt"
