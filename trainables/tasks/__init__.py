"""The tasks that tunefleet ships, by name; a study may name a class of the user's own instead."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from search_spaces.errors import TaskError, reason, unknown
from search_spaces.study.sections import TaskOptions
from search_spaces.study.study import Study
from trainables.task import Task
from trainables.tasks.colored_usps import ColoredUsps
from trainables.tasks.digits import Digits
from trainables.tasks.fashion_mnist import FashionMnist
from trainables.tasks.house_prices import HousePrices
from trainables.tasks.mnist import Mnist
from trainables.tasks.regression import Regression
from trainables.tasks.spirals import Spirals
from trainables.tasks.user_tasks import user_task
from trainables.tasks.usps import Usps

TASKS: dict[str, type[Task]] = {
    "digits": Digits,
    "spirals": Spirals,
    "regression": Regression,
    "house_prices": HousePrices,
    "usps": Usps,
    "colored_usps": ColoredUsps,
    "mnist": Mnist,
    "fashion_mnist": FashionMnist,
}


def make_task(name: str, options: Mapping[str, Any], module_dir: str | None = None) -> Task:
    """Build the task that a study names: a shipped one, or ``module:Class`` from a module beside the study file.

    Args:
        name: a key of ``TASKS``, or ``module:Class``.
        options: arguments of the task's constructor.
        module_dir: where the user's module lies.

    Raises:
        TaskError: if there is no such task, or it does not take these options.
    """
    kind = user_task(name, module_dir) if ":" in name else TASKS.get(name)
    if kind is None:
        raise TaskError(f"task: {unknown('task', name, TASKS)} (your own: module:Class)")
    taken = inspect.signature(kind).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        for option in options:
            if option not in taken:
                valid = [*taken, *TaskOptions.model_fields]
                raise TaskError(f"task_options: {unknown('key', option, valid)}")
    try:
        return kind(**options)
    except TaskError:
        raise
    except Exception as error:
        raise TaskError(f"task_options: {name} cannot be made from {dict(options)}: {reason(error)}") from error


def task_of(study: Study, task: Task | None = None) -> Task:
    """The task of a study, with the study's first objective, where it names one, as its metric.

    Args:
        study: has a task object, or names the task.
        task: a task object, instead of that of the study; it is not changed.

    Raises:
        TaskError: if the object is no Task; see also :func:`make_task`.
    """
    task = task or study.task_object or make_task(study.task, study.task_options.own, study.module_dir)
    if not isinstance(task, Task):
        raise TaskError(f"task: must be a Task, got {type(task).__name__}")
    for objective in study.named_objectives[:1]:
        task = copy.copy(task)
        vars(task).update(metric=objective.metric, mode=objective.mode)
    return task
