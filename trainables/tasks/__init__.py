"""The tasks that tunefleet ships, by name; a study may name a class of the user's own instead."""

from __future__ import annotations

import copy
import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from types import ModuleType
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
    kind = _user_task(name, module_dir) if ":" in name else TASKS.get(name)
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
        study: names the task.
        task: a task object, instead of the one that the study names; it is not changed.

    Raises:
        TaskError: see :func:`make_task`.
    """
    task = task or make_task(study.task, study.task_options.own, study.module_dir)
    for objective in study.named_objectives[:1]:
        task = copy.copy(task)
        vars(task).update(metric=objective.metric, mode=objective.mode)
    return task


def user_module(task: Task) -> ModuleType | None:
    """The module of a user's own task, which workers cannot import by name; None for a shipped task."""
    module = type(task).__module__
    return None if module.split(".")[0] == "trainables" else sys.modules.get(module)


def _user_task(name: str, module_dir: str | None) -> type[Task]:
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise TaskError(f"task: must be the name of a task, or module:Class, got '{name}'")
    loaded = sys.modules.get(module_name)
    folder = os.path.dirname(getattr(loaded, "__file__", None) or "")
    if folder and not hasattr(loaded, "__path__") and folder not in (*sys.path, module_dir):
        del sys.modules[module_name]  # of another study, which lies in another folder
    sys.path.insert(0, module_dir or "")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        where = f" in {module_dir}" if module_dir else ""
        raise TaskError(f"task: cannot import '{module_name}'{where}: {reason(error)}") from error
    finally:
        sys.path.pop(0)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
        tasks = [v.__name__ for v in own if issubclass(v, Task)]
        raise TaskError(f"task: {unknown(f'Task in {module_name}', class_name, tasks)}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise TaskError(f"task: {name} must implement {missing}")
    return found
