"""Checkpoints of unfinished trials, by number: what lets a long trial go on after a kill."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch


def save_checkpoints(folder: Path, states: Mapping[int, dict[str, Any]]) -> None:
    """Write the states of trials, each whole or not at all, and all of them at once: a population needs one epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    asides = {number: folder / f".{number}.{os.getpid()}" for number in states}
    for number, state in states.items():
        torch.save(state, asides[number])
    for number, aside in asides.items():
        os.replace(aside, _path(folder, number))


def load_checkpoint(folder: Path, number: int) -> dict[str, Any] | None:
    """A trial's state, or None where there is none that can be read: the trial then starts anew."""
    try:
        state = torch.load(_path(folder, number), weights_only=True, mmap=True)
    except Exception:  # missing, or damaged in any of the ways a file can be
        return None
    return state if isinstance(state, dict) and {"epoch", "members", "runs"} <= set(state) else None


def common_epoch(folder: Path, numbers: Iterable[int]) -> int:
    """The epoch that the checkpoints of all these trials stand at; 0 where they differ, or one is missing."""
    states = [load_checkpoint(folder, number) for number in numbers]
    epochs = {0 if state is None else int(state["epoch"]) for state in states}
    return epochs.pop() if len(epochs) == 1 else 0


def remove_checkpoint(folder: Path, number: int) -> None:
    """Forget a trial's state, if there is any."""
    _path(folder, number).unlink(missing_ok=True)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.pt"
