"""Where a study is trained: in this process, or by the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cluster.engines.inline import inline_device, inline_engine
from cluster.loop import Engine
from search_spaces.errors import StudyError
from search_spaces.study.sections import Resources
from trainables.messages import Job
from trainables.task import Task


@dataclass(frozen=True)
class Place:
    """Where a study is trained.

    Args:
        workers: that there are.
        device: of each.
        words: the same for people.
        engine: opens an engine for a job, with at most so many workers.
        need: resources of one worker, as Ray has them; empty without Ray.
    """

    workers: int
    device: torch.device
    words: str
    engine: Callable[[Job, int], AbstractContextManager[Engine]]
    need: dict[str, float] = field(default_factory=dict)


@contextmanager
def found_place(
    task: Task, resources: Resources, scratch: Path, address: str | None, say: Callable[[str], None]
) -> Iterator[Place]:
    """Start or join what the study's ``resources.engine`` needs, for as long as it is used.

    Args:
        task: whose own module the workers get by value.
        resources: of the study.
        scratch: a folder for Ray Tune's own files.
        address: of a Ray cluster.
        say: is told what takes so long.

    Raises:
        ClusterError: if Ray cannot be started or reached.
        StudyError: if no worker fits.
    """
    if resources.engine == "inline":
        if address is not None:
            raise StudyError(f"--address: resources.engine inline trains in this process, got {address}")
        device = inline_device(resources)
        yield Place(1, device, "this process, without Ray", lambda job, most: inline_engine(job, device))
        return
    from cluster.engines.ray_session import ray_session, worker_resources  # Ray takes seconds to import
    from cluster.engines.ray_tune import ray_tune_engine, shipped_by_value

    with ray_session(address, say), shipped_by_value(task):
        need, workers = worker_resources(resources)
        words = f"{need['GPU']:g} GPU each" if need["GPU"] else f"{need['CPU']:g} CPU each"
        yield Place(
            workers,
            torch.device("cuda" if need["GPU"] else "cpu"),
            words,
            lambda job, most: ray_tune_engine(job, scratch, need, min(workers, most)),
            need,
        )
