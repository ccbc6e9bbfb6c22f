"""Learning-rate schedules, one per member, advanced together at the end of each epoch.

Exponential, cosine and plateau are ``ExponentialLR``, ``CosineAnnealingLR`` (down to 0) and ``ReduceLROnPlateau``
(relative threshold 1e-4) of ``torch.optim.lr_scheduler``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.recipe import SCHEDULES, Recipe

THRESHOLD = 1e-4
LEAST_CHANGE = 1e-8

Columns = dict[str, Tensor]


def schedule_columns(recipes: Sequence[Recipe], epochs: int) -> Columns:
    """State of all members' schedules: (M, 1) tensors in float64, ``lr`` among them.

    Args:
        recipes: one per member.
        epochs: the period of the cosine schedule.
    """

    def column(values: list[float], kind: torch.dtype = torch.float64) -> Tensor:
        return torch.tensor(values, dtype=kind).unsqueeze(1)

    zeros = [0.0] * len(recipes)
    return {
        "lr": column([r.lr for r in recipes]),
        "base_lr": column([r.lr for r in recipes]),
        "schedule": column([SCHEDULES.index(r.schedule) for r in recipes], torch.int64),
        "gamma": column([r.gamma for r in recipes]),
        "factor": column([r.factor for r in recipes]),
        "plateau_patience": column([r.plateau_patience for r in recipes]),
        "cooldown": column([r.cooldown for r in recipes]),
        "period": column([float(epochs)] * len(recipes)),
        "best": column([math.inf] * len(recipes)),
        "bad": column(zeros),
        "cooling": column(zeros),
    }


def advance(c: Columns, epoch: int, loss: Tensor) -> None:
    """Set every member's learning rate for the next epoch.

    Args:
        c: from :func:`schedule_columns`, changed in place.
        epoch: epochs done, from 1.
        loss: (M,) validation loss of this epoch.
    """
    lr, loss = c["lr"], loss.unsqueeze(1).to(c["best"])
    better = loss < c["best"] * (1 - THRESHOLD)
    c["best"].copy_(torch.where(better, loss, c["best"]))
    c["bad"].copy_(torch.where(better, 0.0, c["bad"] + 1))
    cooling = c["cooling"] > 0
    c["cooling"].sub_(cooling.to(lr))
    c["bad"].masked_fill_(cooling, 0.0)
    reduce = c["bad"] > c["plateau_patience"]
    c["cooling"].copy_(torch.where(reduce, c["cooldown"], c["cooling"]))
    c["bad"].masked_fill_(reduce, 0.0)
    lowered = lr * c["factor"]
    plateau = torch.where(reduce & (lr - lowered > LEAST_CHANGE), lowered, lr)

    cosine = c["base_lr"] * (1 + torch.cos(math.pi * epoch / c["period"])) / 2
    kind = c["schedule"]
    for name, value in (("exponential", lr * c["gamma"]), ("plateau", plateau), ("cosine", cosine)):
        lr.copy_(torch.where(kind == SCHEDULES.index(name), value, lr))
