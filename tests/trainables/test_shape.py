"""What decides about sharing a stack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from search_spaces.errors import TaskError
from tests.trainables.builders import CPU, Curve, curve_task
from trainables.data.folds import Split
from trainables.layers.networks import ACTIVATIONS
from trainables.shape import COPIES, STACK_BYTES, trial_shape

TASK = Curve()
SPLITS = [Split(np.arange(30), np.arange(30, 40)), Split(np.arange(29), np.arange(29, 40))]


def key(**params: Any) -> str:
    """The key of a configuration."""
    return trial_shape(TASK, params, SPLITS, CPU).key


def test_what_separates_and_what_does_not() -> None:
    assert len({key(activation=name) for name in ACTIVATIONS}) == len(ACTIVATIONS)
    assert len({key(width=w, batch_size=b) for w in (4, 5) for b in (8, 16, "full")}) == 6
    same = {key(lr=lr, optimizer=o, dropout=d) for lr in (0.1, 0.2) for o in ("sgd", "adam") for d in (0.0, 0.5)}
    assert len(same) == 1
    assert key(batch_size=64) == key(batch_size="full") == key(batch_size=30)


def test_steps_members_and_work() -> None:
    shape = trial_shape(TASK, {"batch_size": 8}, SPLITS, CPU)
    assert (shape.steps, shape.members) == (4, 2)
    assert shape.work == 8 * sum(p.numel() for p in TASK.network(TASK.defaults).parameters())


def test_a_stack_fits_into_its_memory() -> None:
    shape = trial_shape(TASK, {"width": 100}, SPLITS, CPU)
    numbers = sum(p.numel() for p in TASK.network({**TASK.defaults, "width": 100}).parameters())
    assert shape.largest == STACK_BYTES["cpu"] // (COPIES * 4 * numbers * 2)
    huge = trial_shape(TASK, {"width": 10_000_000}, SPLITS, CPU)
    assert huge.largest == 1


def test_convolutions_are_alone_on_a_cpu_and_together_on_a_gpu() -> None:
    task = curve_task(lambda: nn.Conv1d(1, 1, 1))
    assert trial_shape(task, {}, SPLITS, CPU).largest == 1
    assert trial_shape(task, {}, SPLITS, torch.device("cuda")).largest > 1


def test_a_configuration_that_cannot_be_built_raises() -> None:
    with pytest.raises(TaskError, match="unknown activation"):
        key(activation="cube")
