"""Small studies and tasks for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search_spaces.study.study import Study

SPACE = {
    "width": [8, 16],
    "optimizer": ["adam", "sgd"],
    "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}},
    "lr": {"low": 1e-3, "high": 1e-1, "log": True},
}


INLINE, ON_RAY = {"engine": "inline"}, {"engine": "ray_tune"}


def digits_study(search: Mapping[str, Any] | None = None, **sections: Any) -> Study:
    """A digits study of a few seconds, in this process unless ``resources`` say something else."""
    return Study(
        **{
            "name": "small",
            "task": "digits",
            "task_options": {"epochs": 4},
            "space": SPACE,
            "search": {"sampler": "random", "trials": 6, "seed": 0, **(search or {})},
            "resources": INLINE,
            **sections,
        }
    )


FEW = {"task_options.subset": 100, "refit.subset": 150}
"""Subsets of the tiny data, in place of those of a shipped study."""


def shipped_on(data: Path, name: str, profile: str | None = None, changes: Mapping[str, Any] | None = None) -> Study:
    """A shipped study on the tiny data."""
    full = Study.load(name, profile=profile)
    subsets = {"task_options.subset": full.task_options.subset, "refit.subset": full.refit.subset}
    few = {key: FEW[key] for key, rows in subsets.items() if rows is not None}
    return Study.load(name, {"data_dir": str(data), "resources.engine": "inline", **few, **(changes or {})}, profile)


OWN_TASK = '''
import os
import numpy as np
import torch
from torch import nn
from tunefleet import Dataset, Task


def no_test():
    raise ValueError("the test split is not there")


class Line(Task):
    """Fit y = 2x; one value of ``mood`` goes wrong in its own way."""

    defaults = {"width": 4, "mood": "good"}

    def __init__(self, with_test: bool = True) -> None:
        self.with_test = with_test

    def load(self, data_dir):
        x = np.linspace(-1, 1, 60)[:, None]
        return Dataset(x, 2 * x, test=(x, 2 * x) if self.with_test else no_test)

    def network(self, params):
        if params["mood"] == "unbuildable":
            raise RuntimeError("no such network")
        return Net(params["width"], params["mood"])

    def loss(self, outputs, targets):
        return (outputs - targets).square().squeeze(-1)


class Net(nn.Module):
    def __init__(self, width, mood):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))
        self.mood = mood

    def forward(self, x):
        if self.mood == "crash":
            os._exit(1)
        if self.mood == "raise":
            raise RuntimeError("out of luck")
        if self.mood == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB")
        y = self.layers(x)
        return y / 0 - y / 0 if self.mood == "nan" else y
'''


def write_own_task(folder: Path) -> None:
    """A user's module, to stand beside a study file."""
    (folder / "line_task.py").write_text(OWN_TASK)
