"""Learning-rate schedules, one per member, advanced together at the end of each epoch.

Exponential, cosine and plateau are ``ExponentialLR``, ``CosineAnnealingLR`` (down to 0) and ``ReduceLROnPlateau``
(relative threshold 1e-4) of ``torch.optim.lr_scheduler``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.recipe import SCHEDULES
from trainables.stack.members import Hyperparameters, Progress

THRESHOLD = 1e-4
LEAST_CHANGE = 1e-8


def advance(progress: Progress, own: Hyperparameters, epoch: int, epochs: int, loss: Tensor) -> None:
    """Set every member's learning rate for the next epoch.

    Args:
        progress: changed in place.
        own: of the same members.
        epoch: epochs done, from 1.
        epochs: the period of the cosine schedule.
        loss: (M,) validation loss of this epoch.
    """
    lr, best, bad = progress.lr, progress.best, progress.bad
    loss = loss.unsqueeze(1).to(best)
    better = loss < best * (1 - THRESHOLD)
    best.copy_(torch.where(better, loss, best))
    bad.copy_(torch.where(better, 0.0, bad + 1))
    cooling = progress.cooling > 0
    progress.cooling.sub_(cooling.to(lr))
    bad.masked_fill_(cooling, 0.0)
    reduce = bad > own.plateau_patience
    progress.cooling.copy_(torch.where(reduce, own.cooldown, progress.cooling))
    bad.masked_fill_(reduce, 0.0)
    lowered = lr * own.factor
    plateau = torch.where(reduce & (lr - lowered > LEAST_CHANGE), lowered, lr)

    cosine = own.base_lr * (1 + torch.full_like(lr, math.pi * epoch / epochs).cos()) / 2
    for name, value in (("exponential", lr * own.gamma), ("plateau", plateau), ("cosine", cosine)):
        lr.copy_(torch.where(own.schedule == SCHEDULES.index(name), value, lr))
