"""The loss and the metrics of each sample, as a task returns them, checked."""

from __future__ import annotations

from torch import Tensor

from search_spaces.errors import TaskError, unknown
from trainables.task import Task

Values = dict[str, Tensor]


def sample_loss(task: Task, outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss of each sample of one member, (B,).

    Raises:
        TaskError: if the task returns another shape.
    """
    return _per_sample(task, "loss", task.loss(outputs, targets), targets)


def sample_values(task: Task, outputs: Tensor, targets: Tensor) -> Values:
    """Loss and metrics of each sample of one member, (B,) each.

    Raises:
        TaskError: if the task returns another shape, or not the metric that it names.
    """
    metrics = task.metrics(outputs, targets)
    values = {name: _per_sample(task, f"metrics['{name}']", value, targets) for name, value in metrics.items()}
    values = {"loss": sample_loss(task, outputs, targets), **values}
    if task.metric not in values:
        raise TaskError(f"{type(task).__name__}.metric: {unknown('metric', task.metric, values)}")
    return values


def finished_means(task: Task, means: Values) -> Values:
    """Means over all rows as they are reported: of the task's ``roots`` the square root."""
    return {name: value.sqrt() if name in task.roots else value for name, value in means.items()}


def _per_sample(task: Task, what: str, value: Tensor, targets: Tensor) -> Tensor:
    if value.shape != targets.shape[:1]:
        raise TaskError(
            f"{type(task).__name__}.{what}: must return one value per sample, shape ({targets.shape[0]},), "
            f"got {tuple(value.shape)}"
        )
    return value
