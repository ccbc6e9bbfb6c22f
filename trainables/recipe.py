"""The hyperparameters of training itself, which every task understands beside those of its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.errors import StudyError, TaskError, unknown
from search_spaces.space import Space
from trainables.task import Task

OPTIMIZERS = ("sgd", "adam", "adamw", "radam", "rmsprop", "adadelta")
SCHEDULES = ("constant", "exponential", "plateau", "cosine")


@dataclass(frozen=True)
class Recipe:
    """How one trial is trained.

    Args:
        optimizer: as ``torch.optim`` defines it.
        lr: learning rate.
        batch_size: rows per step; full is all of them.
        weight_decay: as ``torch.optim`` applies it (decoupled for adamw, added to the gradient elsewhere).
        l2: coefficient of the sum of squared weights in the loss; biases and other vectors are left out.
        momentum: share of the last step that the next one keeps.
        nesterov: Nesterov's momentum.
        schedule: learning rate over epochs; plateau is ``ReduceLROnPlateau`` on the validation loss.
        gamma: factor of the learning rate per epoch.
        factor: of the learning rate, where the loss improves no more.
        plateau_patience: epochs without improvement before that.
        cooldown: epochs after it in which patience does not count.
    """

    optimizer: str = "adam"
    lr: float = 1e-3
    batch_size: int | str = 32
    weight_decay: float = 0.0
    l2: float = 0.0
    momentum: float = 0.0
    nesterov: bool = False
    schedule: str = "constant"
    gamma: float = 1.0
    factor: float = 0.1
    plateau_patience: int = 10
    cooldown: int = 0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Recipe:
        """Pick this recipe's part out of a trial's configuration.

        Raises:
            TaskError: if a value breaks its rule.
        """
        own = {name: params[name] for name in RULES if name in params}
        for name, value in own.items():
            check_value(name, value, name)
        return cls(**own)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Rule = tuple[Callable[[Any], bool], str]

RULES: dict[str, Rule] = {
    "optimizer": (lambda v: v in OPTIMIZERS, "one of " + ", ".join(OPTIMIZERS)),
    "lr": (lambda v: _number(v) and v > 0, "a number above 0"),
    "batch_size": (lambda v: v == "full" or (_whole(v) and v >= 1), "a whole number of at least 1, or full"),
    "weight_decay": (lambda v: _number(v) and v >= 0, "a number of at least 0"),
    "l2": (lambda v: _number(v) and v >= 0, "a number of at least 0"),
    "momentum": (lambda v: _number(v) and 0 <= v < 1, "a number from 0 up to but not including 1"),
    "nesterov": (lambda v: isinstance(v, bool), "true or false"),
    "schedule": (lambda v: v in SCHEDULES, "one of " + ", ".join(SCHEDULES)),
    "gamma": (lambda v: _number(v) and 0 <= v <= 1, "a number between 0 and 1"),
    "factor": (lambda v: _number(v) and 0 < v < 1, "a number between 0 and 1, both excluded"),
    "plateau_patience": (lambda v: _whole(v) and v >= 0, "a whole number of at least 0"),
    "cooldown": (lambda v: _whole(v) and v >= 0, "a whole number of at least 0"),
}


NEEDS: dict[str, tuple[str, frozenset[str]]] = {
    "momentum": ("optimizer", frozenset({"sgd", "rmsprop"})),
    "nesterov": ("optimizer", frozenset({"sgd"})),
    "gamma": ("schedule", frozenset({"exponential"})),
    "factor": ("schedule", frozenset({"plateau"})),
    "plateau_patience": ("schedule", frozenset({"plateau"})),
    "cooldown": ("schedule", frozenset({"plateau"})),
}
"""Parameters that do something only beside certain values of another."""


def check_value(name: str, value: object, where: str) -> None:
    """Raise TaskError unless ``value`` obeys the rule of the recipe's parameter ``name``."""
    holds, text = RULES[name]
    if not holds(value):
        raise TaskError(f"{where}: must be {text}, got {value!r}")


def check_space(space: Space, task: Task) -> None:
    """Check that every parameter is known to the recipe or the task, and that its range obeys the rules.

    Raises:
        StudyError: naming the parameter and the nearest valid name.
        TaskError: naming the parameter, the rule and the value.
    """
    for p in space.parameters:
        _check_known(p.name, task, "space")
        if p.name in RULES:
            for value in p.ends:
                check_value(p.name, value, f"space.{p.name}")
        if p.name in NEEDS:
            other, useful = NEEDS[p.name]
            possible = space.by_name[other].ends if other in space.by_name else (getattr(Recipe, other),)
            if not useful & set(possible):
                raise StudyError(
                    f"space.{p.name}: has no effect, because {other} is never {' or '.join(sorted(useful))}"
                )


def check_params(params: Mapping[str, Any], task: Task, where: str) -> None:
    """Check hyperparameters that are given rather than searched; errors as in :func:`check_space`."""
    for name, value in params.items():
        _check_known(name, task, where)
        if name in RULES:
            check_value(name, value, f"{where}.{name}")


def _check_known(name: str, task: Task, where: str) -> None:
    if name not in RULES and name not in task.defaults:
        raise StudyError(f"{where}: {unknown('parameter', name, set(RULES) | set(task.defaults))}")


def network_params(task: Task, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the task's network is built from: its defaults, overridden by the trial's configuration."""
    return {**task.defaults, **{k: v for k, v in params.items() if k in task.defaults}}
