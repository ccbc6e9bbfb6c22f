"""A refit as one worker trains it, without an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from search_spaces.choosing.population import Schedule
from trainables.data.dataset import Array
from trainables.messages import Leg, Report
from trainables.plan import Plan
from trainables.refit import Refit, collected
from trainables.task import Task
from trainables.worker import Job, Worker


def trained(
    task: Task,
    data: tuple[Array, Array],
    plan: Plan,
    params: Mapping[str, Any],
    seeds: Iterable[int],
    schedule: Schedule = (),
) -> list[Report]:
    """All reports of networks of one configuration, numbered by their seeds."""
    worker = Worker(Job(task, *data, plan), torch.device("cpu"))
    worker.begin(Leg(-1, tuple((seed, params) for seed in seeds), 0, plan.epochs, plan=plan, schedule=schedule))
    reports: list[Report] = []
    while not (reports and reports[-1].done):
        reports.append(worker.step())
    return reports


def refitted(
    task: Task,
    data: tuple[Array, Array],
    plan: Plan,
    params: Mapping[str, Any],
    seeds: Iterable[int],
    schedule: Schedule = (),
) -> Refit:
    """The refit of one configuration."""
    reports = trained(task, data, plan, params, seeds, schedule)
    return collected(reports, params, schedule, len(plan.splits[0].validation) > 0)
