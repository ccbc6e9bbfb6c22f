"""Checkpoints of unfinished trials, by number: what lets a long trial go on after a kill."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(folder: Path, number: int, state: dict[str, Any]) -> None:
    """Write a trial's state whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{number}.{os.getpid()}"
    torch.save(state, aside)
    os.replace(aside, _path(folder, number))


def load_checkpoint(folder: Path, number: int) -> dict[str, Any] | None:
    """A trial's state, or None where there is none that can be read: the trial then starts anew."""
    try:
        state = torch.load(_path(folder, number), weights_only=True, mmap=True)
    except Exception:  # missing, or damaged in any of the ways a file can be
        return None
    return state if isinstance(state, dict) and {"epoch", "members", "run"} <= set(state) else None


def remove_checkpoint(folder: Path, number: int) -> None:
    """Forget a trial's state, if there is any."""
    _path(folder, number).unlink(missing_ok=True)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.pt"
