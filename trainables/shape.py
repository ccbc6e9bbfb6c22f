"""Building a trial's networks, and what they look like from outside: which trials may share a stack, of which size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from search_spaces.errors import StudyError, TaskError, reason
from search_spaces.space import Space
from search_spaces.trials.proposal import Shape
from trainables.data.folds import Split
from trainables.layers.keyed import replace_dropout
from trainables.recipe import Recipe, network_params
from trainables.stack.signature import signature, why_not_fused
from trainables.task import Task

STACK_BYTES = {"cpu": 2**30, "cuda": 2**33}
"""What the parameters of one stack, their gradients and optimizer state may take."""

COPIES = 7
"""Parameters, gradient, two rows of optimizer state, and temporary copies of these in a step."""


def build(task: Task, params: Mapping[str, Any], key: int) -> nn.Module:
    """Build one network on the CPU, its initial weights a function of ``key`` alone.

    Raises:
        TaskError: if the task does not return a module with parameters of one floating dtype.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key & (2**63 - 1))
        network = task.network(params)
    if not isinstance(network, nn.Module):
        raise TaskError(f"{type(task).__name__}.network: must return a torch.nn.Module, got {type(network).__name__}")
    trained = {p.dtype for p in network.parameters() if p.requires_grad}
    if len(trained) != 1 or not next(iter(trained)).is_floating_point:
        found = ", ".join(sorted(map(str, trained))) or "none"
        raise TaskError(
            f"{type(task).__name__}.network: needs parameters to train, all of one floating type, got {found}"
        )
    return replace_dropout(network)


def trial_shape(task: Task, params: Mapping[str, Any], splits: Sequence[Split], device: torch.device) -> Shape:
    """The shape of one trial.

    Args:
        task: the study's task.
        params: the trial's configuration.
        splits: the study's folds, one member each.
        device: where workers train.

    Raises:
        Exception: whatever building the network raises.
    """
    recipe = Recipe.of(params)
    network = build(task, network_params(task, params), key=0)
    rows = max(len(split.train) for split in splits)
    batch = rows if isinstance(recipe.batch_size, str) else min(recipe.batch_size, rows)
    numbers = [(p.numel(), p.element_size()) for p in network.parameters()]
    fits = STACK_BYTES[device.type] // (COPIES * sum(n * size for n, size in numbers) * len(splits))
    return Shape(
        key=f"{signature(network)}-{batch}",
        steps=math.ceil(rows / batch),
        members=len(splits),
        largest=1 if why_not_fused(network, device) else max(1, fits),
        work=sum(n for n, _ in numbers) * batch,
    )


def check_changeable(task: Task, space: Space, splits: Sequence[Split], device: torch.device) -> None:
    """Check that no parameter of the space changes the network itself, as population-based training needs it.

    Raises:
        StudyError: naming the parameter.
        TaskError: if a network cannot be built.
    """
    params = space.corner(last=False)
    key = trial_shape(task, params, splits, device).key
    for p in space.parameters:
        for value in p.ends:
            try:
                other = trial_shape(task, {**params, p.name: value}, splits, device).key
            except Exception as error:  # of a user's own network
                raise TaskError(f"space.{p.name}: no network can be built with {value!r}, {reason(error)}") from error
            if other != key:
                raise StudyError(
                    f"space.{p.name}: changes the network itself, and weights are copied only between equal ones; "
                    f"with search.pbt it must be a constant, got {params[p.name]!r} and {value!r}"
                )
