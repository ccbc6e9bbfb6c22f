"""The engine without Ray: one worker in this process. For debuggers, notebooks, tests and tiny studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from cluster.place import Place
from search_spaces.errors import StudyError
from search_spaces.study.sections import Resources
from trainables.messages import Leg, Report
from trainables.task import Task
from trainables.worker import Job, Worker


class Inline:
    """Trains one leg at a time, when it is waited for.

    Args:
        job: what to work on.
        device: where.
    """

    workers = 1

    def __init__(self, job: Job, device: torch.device) -> None:
        self._worker = Worker(job, device)

    def start(self, leg: Leg) -> None:
        """See :class:`cluster.loop.Engine`."""
        self._worker.begin(leg)

    def wait(self) -> Sequence[Report]:
        """See :class:`cluster.loop.Engine`."""
        return [self._worker.step()]


def inline_device(resources: Resources) -> torch.device:
    """The GPU of this machine, where the study wants one, else the CPU.

    Raises:
        StudyError: if a GPU is asked for and there is none.
    """
    if resources.gpu not in ("auto", 0) and not torch.cuda.is_available():
        raise StudyError(f"resources.gpu: PyTorch sees no GPU on this machine, got {resources.gpu}")
    return torch.device("cuda" if resources.gpu and torch.cuda.is_available() else "cpu")


@contextmanager
def inline_engine(job: Job, device: torch.device) -> Iterator[Inline]:
    """An engine in this process, which gets its threads back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads)
    try:
        yield Inline(job, device)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def place(
    task: Task, resources: Resources, scratch: Path, address: str | None, say: Callable[[str], None]
) -> Iterator[Place]:
    """This process; arguments as in :func:`cluster.engines.found_place`.

    Raises:
        StudyError: if a cluster or a missing GPU is asked for.
    """
    if address is not None:
        raise StudyError(f"--address: resources.engine inline trains in this process, got {address}")
    device = inline_device(resources)
    yield Place(1, device, "in this process, without Ray", lambda job, most: inline_engine(job, device))
