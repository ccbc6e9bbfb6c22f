"""What trains the stacks: one module per engine, by the names that ``resources.engine`` may have."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from cluster.place import Place
from search_spaces.study.sections import ENGINES, Resources
from trainables.task import Task


def found_place(
    task: Task, resources: Resources, scratch: Path, address: str | None, say: Callable[[str], None]
) -> AbstractContextManager[Place]:
    """Start or join what the study's ``resources.engine`` needs, for as long as it is used.

    Args:
        task: whose own module the workers get by value.
        resources: of the study.
        scratch: a folder for the engine's own files.
        address: of a Ray cluster.
        say: is told what takes so long.

    Raises:
        ClusterError: if Ray cannot be started or reached.
        StudyError: if no worker fits.
    """
    module = importlib.import_module(ENGINES[resources.engine])
    place: AbstractContextManager[Place] = module.place(task, resources, scratch, address, say)
    return place
