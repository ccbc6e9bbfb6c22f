"""A refit as one worker trains it, without an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from trainables.data.dataset import Array
from trainables.messages import Job, Leg, Report
from trainables.plan import Plan
from trainables.refit import Refit, collected
from trainables.task import Task
from trainables.worker import Worker


def trained(
    task: Task, data: tuple[Array, Array], plan: Plan, params: Mapping[str, Any], seeds: Iterable[int]
) -> list[Report]:
    """All reports of networks of one configuration, numbered by their seeds."""
    worker = Worker(Job(task, *data, plan), torch.device("cpu"))
    worker.begin(Leg(-1, tuple((seed, params) for seed in seeds), 0, plan.epochs, plan=plan))
    reports: list[Report] = []
    while not (reports and reports[-1].done):
        reports.append(worker.step())
    return reports


def refitted(
    task: Task, data: tuple[Array, Array], plan: Plan, params: Mapping[str, Any], seeds: Iterable[int]
) -> Refit:
    """The refit of one configuration."""
    return collected(trained(task, data, plan, params, seeds), params, (), len(plan.splits[0].validation) > 0)
