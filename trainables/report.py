"""What a worker tells the driver about a cohort: few messages, each with much in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_spaces.choosing.population import Schedule
from search_spaces.trials.outcome import Epoch, Outcome


@dataclass(frozen=True)
class CohortConfig:
    """What Ray Tune hands a worker as a trial's configuration: the trials of one cohort.

    Args:
        name: of the cohort, for people.
        trials: number and configuration of each trial.
        start: epoch that their checkpoints stand at; 0 where they begin.
        first: no trial of a study with limited time had completed when this cohort began.
    """

    name: str
    trials: tuple[tuple[int, Mapping[str, Any]], ...]
    start: int = 0
    first: bool = False

    def __repr__(self) -> str:
        return self.name  # Ray Tune writes configurations into tags and tables


@dataclass
class CohortReport:
    """News since the last report.

    Args:
        cohort: its name.
        epoch: where it stands.
        live: trials still in training.
        epochs: results by trial.
        rungs: values of the trials that passed a rung: (epoch, value by trial).
        ended: trials that are done.
        schedule: of the one trial of a population that reports by itself.
        why_loop: for what reason members are trained one by one; said once.
    """

    cohort: str
    epoch: int = 0
    live: int = 0
    epochs: dict[int, list[Epoch]] = field(default_factory=dict)
    rungs: list[tuple[int, dict[int, float]]] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    schedule: Schedule = ()
    why_loop: str | None = None
