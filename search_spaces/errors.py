"""Every error that tunefleet raises on purpose.

    TunefleetError            one clear line for the user; the command line prints it and exits
    ├── StudyError            the study file or an override is wrong (exit code 2)
    ├── TaskError             a task, its options or one of its parameters is wrong (exit code 2)
    ├── DataError             a data file is missing, unreadable or malformed (exit code 2)
    ├── OutputError           the output folder cannot be used as asked (exit code 2)
    ├── ClusterError          Ray cannot be started or reached (exit code 2)
    └── SearchFailed          the study ran, but nothing usable came out (exit code 1)

Errors of Ray, Optuna, pydantic and YAML are translated where they enter, with ``raise ... from``.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path


class TunefleetError(Exception):
    """Base of the hierarchy: its message is a single line that a user can act on."""

    exit_code = 2


class StudyError(TunefleetError):
    """The study file, or a value that overrides it, breaks a rule."""


class TaskError(TunefleetError):
    """A task, its options or a parameter of its network breaks a rule."""


class DataError(TunefleetError):
    """Data that the task needs is missing, unreadable or malformed."""


class OutputError(TunefleetError):
    """The study folder cannot be created, read or continued."""


class ClusterError(TunefleetError):
    """Ray cannot be started or reached."""


class SearchFailed(TunefleetError):
    """The study ran to its end without a single completed trial."""

    exit_code = 1


def unknown(kind: str, name: object, valid: Iterable[str]) -> str:
    """Say that ``name`` is not a known ``kind``, with the nearest valid name or all of them."""
    names = sorted(valid)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    listing = ", ".join(names) if names else "none"
    hint = f"did you mean '{near[0]}'? (valid: {listing})" if near else f"valid: {listing}"
    return f"unknown {kind} '{name}'; {hint}"


def reason(error: BaseException) -> str:
    """An error in one line, short enough for a table cell (300 characters).

    A foreign error comes with its type and, where it passed through the user's own code, with file and line.
    """
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, TunefleetError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}"[:300].removesuffix(": ") + _place(error)


def _place(error: BaseException) -> str:
    root = Path(__file__).parents[1]
    ours = tuple(str(root / package) for package in ("search_spaces", "trainables", "analysis", "cluster", "tunefleet"))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if (
            path.suffix == ".py"
            and "site-packages" not in path.parts
            and not frame.filename.startswith((*ours, sys.base_prefix))
        ):
            return f" ({path.name}, line {frame.lineno})"
    return ""
