"""A task that is given as an object: how a study file names it."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from search_spaces.errors import StudyError

WITH_ARGUMENTS = "(...)"
"""Ends the name of a task whose arguments the study file does not know."""


def name_from(text: str) -> str:
    """A study's name from that of a file or class."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._") or "study"


def is_object(task: object) -> bool:
    """Whether this is more than a name. What a study file can hold instead of one is refused later, as any key is.

    Raises:
        StudyError: if it is a class.
    """
    if isinstance(task, type):
        raise StudyError(f"task: must be an object, {task.__name__}(), got the class itself")
    return type(task).__module__ != "builtins"


def keys_of(task: object) -> dict[str, str | None]:
    """The keys ``name``, ``task`` and ``module_dir`` of a study of this task.

    ``task`` is ``module:Class``. It ends in ``(...)`` where the class takes arguments: those of the object are known
    only to the program that made it.
    """
    kind = type(task)
    module, folder = _where(kind.__module__)
    arguments = WITH_ARGUMENTS if inspect.signature(kind).parameters else ""
    return {
        "name": name_from(kind.__name__),
        "task": f"{module}:{kind.__qualname__}{arguments}",
        "module_dir": folder,
    }


def _where(name: str) -> tuple[str, str | None]:
    """A module by its files, ``package.module`` and the folder of the package: it may be loaded by another name."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if name == "__main__" or file is None:
        return name, None
    path = Path(file).resolve().with_suffix("")
    if hasattr(module, "__path__"):
        path = path.parent
    depth = name.count(".") + 1
    return ".".join(path.parts[-depth:]), str(path.parents[depth - 1])
