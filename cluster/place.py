"""Where a study is trained: what an engine's function ``place`` finds, and the search and the refit use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch

from cluster.loop import Engine
from trainables.worker import Job


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
