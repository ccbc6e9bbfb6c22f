"""A rehearsal before anything is started: does the task keep its promises on four rows?

What is wrong for every trial should be said once, at once, rather than by each trial after the cluster has started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces.errors import TaskError, TunefleetError, reason
from search_spaces.space import Space
from search_spaces.trials.objectives import COSTS, Objective, check_known
from trainables.data.dataset import Array
from trainables.recipe import network_params
from trainables.shape import build
from trainables.stack.values import sample_values
from trainables.task import Task

ROWS = 4
RESERVED = frozenset({"loss", "lr", "value", "epoch", "epochs", *COSTS, "best_epoch", "reason", "kfold_best"})
SUFFIXES = ("_min", "_max", "_ensemble")
TOLERANCE = 1e-4


def rehearse(
    task: Task,
    space: Space,
    inputs: Array,
    targets: Array,
    replaced: Mapping[str, Any] | None = None,
    objectives: Sequence[Objective] = (),
) -> None:
    """Build a network of the space's first values (or, where that fails, of its last) and score a few rows with it.

    ``replaced`` are hyperparameters that take the place of the space's, ``objectives`` those that the study names.

    Raises:
        StudyError: if the task reports no such objective.
        TaskError: if the task breaks a rule of its interface, or works for neither configuration.
    """
    name = type(task).__name__
    if task.mode not in ("min", "max"):
        raise TaskError(f"{name}.mode: must be min or max, got {task.mode!r}")
    rows = torch.from_numpy(np.array(inputs[:ROWS])), torch.from_numpy(np.array(targets[:ROWS]))
    first: Exception | None = None
    for last in (False, True):
        params = network_params(task, {**space.corner(last), **(replaced or {})})
        try:
            network = build(task, params, key=0)
        except Exception as error:  # of this configuration, perhaps, and of no other
            first = first or error
            continue
        try:
            _score(task, network.eval(), *rows, objectives)
            return
        except TunefleetError:
            raise  # a broken promise: no configuration mends it
        except Exception as error:
            first = first or error
    if first is None or "cuda" in str(first).lower():
        return  # this machine has no GPU; the workers may have
    if isinstance(first, TunefleetError):
        raise first
    raise TaskError(f"{name}: fails for the first and the last values of the space alike, {reason(first)}") from first


def _score(task: Task, network: nn.Module, inputs: Tensor, targets: Tensor, objectives: Sequence[Objective]) -> None:
    with torch.no_grad():
        outputs = network(inputs)
        metrics = task.metrics(outputs, targets)
        _check_names(task, metrics)
        check_known(objectives, ["loss", *metrics])
        together = sample_values(task, outputs, targets)
        alone = sample_values(task, outputs[:1], targets[:1])
    for what, values in together.items():
        # In float64, since a metric may as well be of whole numbers or of truth values.
        if not torch.allclose(
            values[:1].double(), alone[what].double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
        ):
            raise TaskError(
                f"{type(task).__name__}.{'loss' if what == 'loss' else f'metrics[{what!r}]'}: a sample's value must not "
                f"depend on the other samples; are outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} "
                "broadcast against each other?"
            )


def _check_names(task: Task, metrics: Mapping[str, Tensor]) -> None:
    for name in metrics:
        if name in RESERVED or name.endswith(SUFFIXES):
            taken = ", ".join(sorted(RESERVED))
            raise TaskError(
                f"{type(task).__name__}.metrics: the names {taken} and endings {', '.join(SUFFIXES)} are taken, got '{name}'"
            )
