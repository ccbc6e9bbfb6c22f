"""What a task must not do is said before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search_spaces.errors import TaskError
from search_spaces.space import Space
from trainables.data.dataset import Dataset
from trainables.rehearsal import rehearse
from trainables.task import Task
from trainables.tasks import TASKS, make_task

X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]


class Curve(Task):
    """Keeps its promises."""

    defaults: ClassVar[Mapping[str, Any]] = {"width": 3}

    def load(self, data_dir: Path | None) -> Dataset:
        return Dataset(X, X)

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        return nn.Sequential(nn.Linear(1, params["width"]), nn.Linear(params["width"], 1))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean(dim=1)


class Capital(Curve):
    mode = "MIN"  # type: ignore[assignment]


class Scalar(Curve):
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()


class Mixed(Curve):
    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"rank": (outputs - outputs.mean()).squeeze(-1)}


class Taken(Curve):
    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"epochs": outputs.squeeze(-1)}


class Absent(Curve):
    metric = "accuracy"


class Nothing(Curve):
    def network(self, params: Mapping[str, Any]) -> Any:
        return None


class Misspelt(Curve):
    def network(self, params: Mapping[str, Any]) -> nn.Module:
        return nn.Linear(1, params["widht"])


class NeedsGpu(Curve):
    def network(self, params: Mapping[str, Any]) -> nn.Module:
        raise RuntimeError("this kernel needs CUDA")


class Picky(Curve):
    """Refuses one configuration in its own words."""

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        if params["width"] < 1:
            raise TaskError("width: must be at least 1")
        return super().network(params)


class Truth(Curve):
    """A metric of truth values."""

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"above": (outputs > targets).squeeze(-1)}


def check(task: Task, targets: Any = X, space: object = None) -> None:
    rehearse(task, Space.parse(space or {}), X, targets)


@pytest.mark.parametrize("name", TASKS)
def test_shipped_tasks_pass(name: str, tiny_data: Path) -> None:
    task = make_task(name, {})
    dataset = task.load(tiny_data)
    rehearse(task, Space.parse({}), dataset.inputs, dataset.targets)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Capital(), "Capital.mode: must be min or max, got 'MIN'"),
        (Scalar(), "Scalar.loss: must return one value per sample, shape (4,), got ()"),
        (Mixed(), "Mixed.metrics['rank']: a sample's value must not depend on the other samples"),
        (Taken(), "Taken.metrics: the names best_epoch, "),
        (Absent(), "Absent.metric: unknown metric 'accuracy'; valid: loss"),
        (Nothing(), "Nothing.network: must return a torch.nn.Module, got NoneType"),
        (Misspelt(), "Misspelt: fails for the first and the last values of the space alike, KeyError: 'widht' (test_"),
    ],
)
def test_a_broken_promise_is_named(task: Task, message: str) -> None:
    with pytest.raises(TaskError) as error:
        check(task)
    assert str(error.value).startswith(message)


def test_targets_that_are_broadcast_against_outputs_are_refused() -> None:
    """(B, 1) - (B,) is (B, B), whose mean over dimension 1 looks like one value per sample."""
    with pytest.raises(TaskError, match=r"are outputs \(4, 1\) and targets \(4,\) broadcast against each other"):
        check(Curve(), X[:, 0])


def test_one_configuration_that_works_is_enough() -> None:
    check(Curve(), space={"width": [-1, 3]})
    with pytest.raises(TaskError, match="^Curve: fails for the first and the last values"):
        check(Curve(), space={"width": [-1, -3]})


def test_a_configuration_that_the_task_refuses_ends_only_its_own_trial() -> None:
    check(Picky(), space={"width": [0, 3]})
    with pytest.raises(TaskError, match="^width: must be at least 1$"):
        check(Picky(), space={"width": [0, -1]})


def test_a_metric_may_be_of_truth_values() -> None:
    check(Truth())


def test_a_network_for_gpus_is_left_to_the_workers() -> None:
    check(NeedsGpu())
    assert torch.get_default_dtype() is torch.float32
