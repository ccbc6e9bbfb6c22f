"""Optimizers over stacked parameters: one row per member, one learning rate per member.

Each is the single-tensor algorithm of ``torch.optim`` with that class's default constants, written for (n, P)
parameters of n members. All of a member's state is at most two rows of P numbers and a step count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BETA_1, BETA_2, EPS = 0.9, 0.999, 1e-8
RMSPROP_ALPHA = 0.99
ADADELTA_RHO, ADADELTA_EPS = 0.9, 1e-6


@dataclass(frozen=True)
class Rows:
    """The members that one optimizer updates. Tensors are views, changed in place.

    ``theta``, ``slots``: (n, P); the others (n, 1), ``count`` (steps taken, this one included) in float64
    because 1 - 0.999^t loses four digits in float32.
    """

    theta: Tensor
    slots: tuple[Tensor, ...]
    count: Tensor
    lr: Tensor
    weight_decay: Tensor
    momentum: Tensor
    nesterov: Tensor

    def decayed(self, grad: Tensor) -> Tensor:
        """The gradient (n, P) with weight decay added, as all but adamw use it."""
        return torch.addcmul(grad, self.theta, self.weight_decay)


@dataclass(frozen=True)
class Optimizer:
    """An algorithm.

    Args:
        update: takes rows and their gradients (n, P), and changes the rows in place.
        slots: how many rows of P numbers it keeps.
        uses: hyperparameters that it understands and others do not.
    """

    update: Callable[[Rows, Tensor], None]
    slots: int
    uses: tuple[str, ...] = ()


def _sgd(r: Rows, grad: Tensor) -> None:
    grad, velocity = r.decayed(grad), r.slots[0]
    velocity.mul_(r.momentum).add_(grad)
    update = torch.where(r.nesterov > 0, torch.addcmul(grad, velocity, r.momentum), velocity)
    r.theta.addcmul_(update, -r.lr)


def _moments(r: Rows, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Update both moments; return them with their bias corrections, (n, 1) in float64."""
    mean, square = r.slots
    mean.lerp_(grad, 1 - BETA_1)
    square.mul_(BETA_2).addcmul_(grad, grad, value=1 - BETA_2)
    return mean, square, 1 - BETA_1**r.count, 1 - BETA_2**r.count


def _adam_step(r: Rows, grad: Tensor) -> None:
    mean, square, correction_1, correction_2 = _moments(r, grad)
    dtype = r.theta.dtype
    denominator = (square.sqrt() * correction_2.rsqrt().to(dtype)).add_(EPS)
    r.theta.sub_((mean / denominator).mul_((r.lr / correction_1).to(dtype)))


def _adam(r: Rows, grad: Tensor) -> None:
    _adam_step(r, r.decayed(grad))


def _adamw(r: Rows, grad: Tensor) -> None:
    r.theta.mul_(1 - r.lr * r.weight_decay)
    _adam_step(r, grad)


def _radam(r: Rows, grad: Tensor) -> None:
    mean, square, correction_1, correction_2 = _moments(r, r.decayed(grad))
    dtype = r.theta.dtype
    rho_inf = 2 / (1 - BETA_2) - 1
    rho = rho_inf - 2 * r.count * BETA_2**r.count / correction_2
    rectified = rho > 5
    top = ((rho - 4) * (rho - 2) * rho_inf).clamp(min=0)
    rectification = (top / ((rho_inf - 4) * (rho_inf - 2) * rho)).sqrt() * correction_2.sqrt()
    adaptive = (rectification.to(dtype)) / (square.sqrt() + EPS)
    update = torch.where(rectified, adaptive, 1.0) * mean
    r.theta.sub_(update * (r.lr / correction_1).to(dtype))


def _rmsprop(r: Rows, grad: Tensor) -> None:
    grad, (square, velocity) = r.decayed(grad), r.slots
    square.mul_(RMSPROP_ALPHA).addcmul_(grad, grad, value=1 - RMSPROP_ALPHA)
    velocity.mul_(r.momentum).add_(grad / square.sqrt().add_(EPS))
    r.theta.addcmul_(velocity, -r.lr)


def _adadelta(r: Rows, grad: Tensor) -> None:
    grad, (square, deltas) = r.decayed(grad), r.slots
    square.mul_(ADADELTA_RHO).addcmul_(grad, grad, value=1 - ADADELTA_RHO)
    delta = (deltas + ADADELTA_EPS).sqrt_().div_((square + ADADELTA_EPS).sqrt_()).mul_(grad)
    deltas.mul_(ADADELTA_RHO).addcmul_(delta, delta, value=1 - ADADELTA_RHO)
    r.theta.addcmul_(delta, -r.lr)


OPTIMIZERS = {
    "sgd": Optimizer(_sgd, slots=1, uses=("momentum", "nesterov")),
    "adam": Optimizer(_adam, slots=2),
    "adamw": Optimizer(_adamw, slots=2),
    "radam": Optimizer(_radam, slots=2),
    "rmsprop": Optimizer(_rmsprop, slots=2, uses=("momentum",)),
    "adadelta": Optimizer(_adadelta, slots=2),
}
"""By the names that a study uses; members of a stack stand in this order."""
