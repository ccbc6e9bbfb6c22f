"""The hyperparameters of training itself, which every task understands beside those of its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from search_spaces.errors import StudyError, TaskError, unknown
from search_spaces.space import Space
from search_spaces.study.fields import NotNegative, Section, Share, known
from search_spaces.study.messages import made
from trainables.stack.optimizers import OPTIMIZERS
from trainables.task import Task

SCHEDULES = ("constant", "exponential", "plateau", "cosine")

Epochs = Annotated[int, Field(ge=0)]


class Recipe(Section, strict=True, allow_inf_nan=False):
    """How one trial is trained."""

    optimizer: Annotated[str, known("optimizer", OPTIMIZERS)] = Field(default="adam", description="as in `torch.optim`")
    lr: Annotated[float, Field(gt=0)] = Field(default=1e-3, description="learning rate")
    batch_size: Annotated[int, Field(ge=1)] | Literal["full"] = Field(
        default=32, description="rows per step of the optimizer; `full` takes all training rows"
    )
    weight_decay: NotNegative = Field(
        default=0.0, description="as in `torch.optim`: decoupled for adamw, added to the gradient for the others"
    )
    l2: NotNegative = Field(
        default=0.0,
        description="factor of the sum of squared weights in the loss; biases and other vectors do not count",
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="share of the last step that the next one keeps"
    )
    nesterov: bool = Field(default=False, description="use Nesterov's momentum")
    schedule: Annotated[str, known("schedule", SCHEDULES)] = Field(
        default="constant",
        description="learning rate over the epochs; `plateau` lowers it when the validation loss stops improving, as "
        "`ReduceLROnPlateau` does",
    )
    gamma: Share = Field(default=1.0, description="factor of the learning rate after each epoch")
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="factor of the learning rate when the loss stops improving"
    )
    plateau_patience: Epochs = Field(default=10, description="epochs without improvement before the rate is lowered")
    cooldown: Epochs = Field(default=0, description="epochs after that in which patience does not count")

    @classmethod
    def of(cls, params: Mapping[str, Any], parents: Sequence[str] = ()) -> Recipe:
        """Pick this recipe's part out of a trial's configuration; ``parents`` are the keys that lead to it.

        Raises:
            TaskError: naming the hyperparameter, the rule that its value breaks, and the value.
        """
        own = cls.model_fields.keys() & params.keys()
        return made(cls, {name: params[name] for name in own}, TaskError, parents)


OF_SCHEDULE = {
    "gamma": "exponential",
    "factor": "plateau",
    "plateau_patience": "plateau",
    "cooldown": "plateau",
}
"""Hyperparameters that do something only with one schedule."""


def needs(parameter: str) -> tuple[str, frozenset[str]] | None:
    """The other hyperparameter that decides whether this one does something, and by which values; None without one."""
    optimizers = frozenset(name for name, optimizer in OPTIMIZERS.items() if parameter in optimizer.uses)
    if optimizers:
        return "optimizer", optimizers
    return ("schedule", frozenset({OF_SCHEDULE[parameter]})) if parameter in OF_SCHEDULE else None


def check_space(space: Space, task: Task) -> None:
    """Check that every parameter is known to the recipe or the task, and that its range obeys the rules.

    Raises:
        StudyError: naming the parameter and the nearest valid name.
        TaskError: naming the parameter, the rule and the value.
    """
    for p in space.parameters:
        for value in p.ends:
            check_params({p.name: value}, task, "space")
        if needed := needs(p.name):
            other, useful = needed
            possible = space.by_name[other].ends if other in space.by_name else (Recipe.model_fields[other].default,)
            if not useful & set(possible):
                raise StudyError(
                    f"space.{p.name}: has no effect, because {other} is never {' or '.join(sorted(useful))}"
                )


def check_params(params: Mapping[str, Any], task: Task, where: str) -> None:
    """Check values of hyperparameters; ``where`` are the keys that lead to them. Errors as in :func:`check_space`."""
    for name in params:
        if name not in Recipe.model_fields and name not in task.defaults:
            raise StudyError(f"{where}: {unknown('parameter', name, {*Recipe.model_fields, *task.defaults})}")
    Recipe.of(params, (where,))


def network_params(task: Task, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the task's network is built from: its defaults, overridden by the trial's configuration."""
    return {**task.defaults, **{k: v for k, v in params.items() if k in task.defaults}}
