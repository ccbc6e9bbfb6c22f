"""Learning-rate schedules against torch.optim.lr_scheduler, over long and bumpy losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainables.builders import torch_optimizer, torch_schedule
from trainables.recipe import Recipe
from trainables.stack.members import Hyperparameters, Progress
from trainables.stack.schedules import advance

RNG = np.random.default_rng(0)
RECIPES = [
    *(Recipe(lr=lr, schedule="plateau", factor=f, plateau_patience=p, cooldown=c)
      for lr in (0.1, 1e-7) for f in (0.1, 0.9) for p in (0, 2) for c in (0, 3)),
    *(Recipe(lr=0.1, schedule="exponential", gamma=g) for g in (0.0, 0.5, 1.0)),
    Recipe(lr=0.3, schedule="cosine"),
    Recipe(lr=0.3),
]  # fmt: skip


@pytest.mark.parametrize(
    "losses",
    [
        1 / np.arange(1, 41) + RNG.normal(0, 0.05, 40),
        np.ones(40),
        np.where(np.arange(40) % 7 == 3, np.nan, -np.arange(40.0)),
        1 - 1e-4 * np.arange(40),
    ],
    ids=["noisy", "flat", "nan", "threshold"],
)
def test_rates_are_those_of_torch(losses: np.ndarray) -> None:
    own = Hyperparameters.of(RECIPES, torch.float64)
    progress = Progress.of(own.base_lr)
    optimizers = [torch_optimizer(r, nn.Linear(1, 1)) for r in RECIPES]
    schedules = [torch_schedule(r, o, len(losses)) for r, o in zip(RECIPES, optimizers, strict=True)]
    for epoch, loss in enumerate(losses.tolist(), start=1):
        advance(progress, own, epoch, len(losses), torch.full((len(RECIPES),), loss, dtype=torch.float64))
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            if schedule is not None:
                schedule.step(*[loss] if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau) else [])
        expected = [o.param_groups[0]["lr"] for o in optimizers]
        assert progress.lr[:, 0].tolist() == pytest.approx(expected, rel=1e-10, abs=1e-16)
