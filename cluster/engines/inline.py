"""The engine without Ray: one worker in this process. For debuggers, notebooks, tests and tiny studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from search_spaces.errors import StudyError
from search_spaces.study.sections import Resources
from trainables.messages import Job, Leg, Report
from trainables.worker import Worker


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
