"""What the driver and a worker say to each other: few messages, each with much in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_spaces.choosing.population import Schedule
from search_spaces.trials.outcome import Epoch, Outcome
from trainables.plan import Plan


@dataclass(frozen=True)
class Leg:
    """A stretch of a cohort's training, from one rung to the next: what a worker is asked for.

    Args:
        cohort: its name.
        trials: number and configuration of each trial in training.
        start, until: epochs; equal where nothing is to be trained, and only the state is asked for.
        deadline: when trials pause after their epoch, as ``time.time()`` has it; None for never.
        saved: what a worker reported as its state at ``start``; needed by one that does not hold the cohort.
        plan: in place of the job's; a refit has its own.
        schedule: hyperparameters that replace others after some epochs.
    """

    cohort: int
    trials: tuple[tuple[int, Mapping[str, Any]], ...]
    start: int
    until: int
    deadline: float | None = None
    saved: bytes | None = None
    plan: Plan | None = None
    schedule: Schedule = ()


@dataclass
class Report:
    """News of a leg since the last report.

    Args:
        cohort: its name.
        epoch: where it stands.
        live: numbers of the trials in training.
        done: the leg is over.
        epochs: results by trial.
        ended: trials that are done.
        paused: once the leg is over, the record of each trial in training, should it be stopped here.
        state: a checkpoint at ``epoch``.
        weights: of trials that have ended, a state dict per network; where the plan keeps the best.
        why_loop: for what reason members are trained one by one; said once.
    """

    cohort: int
    epoch: int = 0
    live: tuple[int, ...] = ()
    done: bool = False
    epochs: dict[int, list[Epoch]] = field(default_factory=dict)
    ended: list[Outcome] = field(default_factory=list)
    paused: dict[int, Outcome] = field(default_factory=dict)
    state: bytes | None = None
    weights: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    why_loop: str | None = None


@dataclass(frozen=True)
class Lost:
    """A worker died with the cohort that it trained; None where it had none."""

    cohort: int | None
    reason: str
