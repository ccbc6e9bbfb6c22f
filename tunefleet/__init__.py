"""Hyperparameter search for supervised PyTorch networks, on one machine or a Ray cluster.

    import tunefleet

    result = tunefleet.run("digits", trials=20)

The names below are all there is for users; the other packages are the inside and may change.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunefleet.hidden import hidden_package

if TYPE_CHECKING:
    from analysis.result import StudyResult
    from cluster.runner import resume
    from search_spaces.study.study import Study
    from trainables.data.dataset import Dataset
    from trainables.task import Task
    from tunefleet import networks
    from tunefleet.api import run

__version__ = "0.1.0"
__all__ = ["Dataset", "Study", "StudyResult", "Task", "networks", "resume", "run"]

if _hidden := hidden_package():
    if Path((sys.argv or [""])[0]).stem in ("tunefleet", "-m"):  # -m until Python has found the module to run
        sys.stderr.write(f"error: {_hidden}\n")
        sys.exit(2)
    raise ImportError(_hidden)

_HOMES = {
    "run": "tunefleet.api",
    "resume": "cluster.runner",
    "Study": "search_spaces.study.study",
    "StudyResult": "analysis.result",
    "Dataset": "trainables.data.dataset",
    "Task": "trainables.task",
}
"""Each name is imported when it is first used: a worker whose task says ``tunefleet.networks`` needs no figures."""


def __getattr__(name: str) -> Any:
    if name == "networks":
        return importlib.import_module("tunefleet.networks")
    if name not in _HOMES:
        raise AttributeError(f"module 'tunefleet' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
