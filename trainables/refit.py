"""The refit: training the best configuration once more, from several seeds at once, to be tested and drawn."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from optuna.trial import TrialState
from torch import Tensor, nn

from search_spaces.choosing.population import Schedule
from search_spaces.errors import SearchFailed
from search_spaces.trials.objectives import COSTS
from search_spaces.trials.outcome import Epoch
from trainables.messages import Report
from trainables.recipe import network_params
from trainables.stack.values import Values, finished_means, sample_values
from trainables.task import Task

EVALUATION_ROWS = 1024


@dataclass(frozen=True)
class Refit:
    """Networks of one configuration, one per seed.

    Args:
        params: the configuration; of a schedule the last.
        states: a state dict per network, of its best epoch where rows were held out, else of its last.
        history: one row per network and epoch: seed, epoch, train_loss, lr and the metrics.
        failures: why the other seeds have no network.
    """

    params: dict[str, Any]
    states: list[Values]
    history: list[dict[str, float]]
    failures: list[str]


def collected(reports: Sequence[Report], params: Mapping[str, Any], schedule: Schedule, held_out: bool) -> Refit:
    """The refit that workers have reported.

    Args:
        reports: of trials that are numbered by their seeds.
        params: the configuration that they began with.
        schedule: what replaced it later.
        held_out: whether the plan has validation rows; without, the metrics are those of training.

    Raises:
        SearchFailed: if no network was trained to the end.
    """
    outcomes = sorted((o for report in reports for o in report.ended), key=lambda o: o.number)
    weights = {seed: states for report in reports for seed, states in report.weights.items()}
    finished = [o.number for o in outcomes if o.state is TrialState.COMPLETE]
    failures = [str(o.reason) for o in outcomes if o.state is not TrialState.COMPLETE]
    if not finished:
        raise SearchFailed(f"the refit of {dict(params)} failed: {failures[0]}")
    epochs = {seed: [e for report in reports for e in report.epochs.get(seed, ())] for seed in finished}
    return Refit(
        dict(schedule[-1][1] if schedule else params),
        [weights[seed][0] for seed in finished],
        [_row(seed, epoch, held_out) for seed in finished for epoch in epochs[seed]],
        failures,
    )


def _row(seed: int, epoch: Epoch, held_out: bool) -> dict[str, float]:
    measured = {
        f"validation_{name}" if held_out and not name.startswith("test_") else name: value
        for name, value in epoch.metrics.items()
    }
    if not held_out:
        measured.pop("loss", None)
    return {"seed": seed, "epoch": epoch.epoch, "train_loss": epoch.train_loss, "lr": epoch.lr, **measured}


def cross_validated_metrics(reports: Sequence[Report], params: Mapping[str, Any]) -> dict[str, float]:
    """Metrics of one configuration, trained as a trial is over the plan's folds, at the best epoch of their mean.

    Raises:
        SearchFailed: if a fold fails.
    """
    (outcome,) = [o for report in reports for o in report.ended]
    if outcome.state is not TrialState.COMPLETE:
        raise SearchFailed(f"the cross-validation of {dict(params)} failed: {outcome.reason}")
    measured = {name: value for name, value in outcome.metrics.items() if name not in COSTS}
    return {**measured, "epoch": float(outcome.best_epoch or 0)}


def networks_of(task: Task, params: Mapping[str, Any], states: Sequence[Values]) -> list[nn.Module]:
    """Rebuild networks from their state dicts, ready to predict, on the CPU."""
    networks = []
    for state in states:
        with torch.random.fork_rng(devices=[]):
            network = task.network(network_params(task, params))
        network.load_state_dict({k: state[k] for k in network.state_dict()})
        networks.append(network.eval())
    return networks


def predict(networks: Sequence[nn.Module], inputs: Tensor) -> Tensor:
    """Outputs (len(networks), N, ...) for inputs (N, ...), in batches."""
    with torch.no_grad():
        return torch.stack(
            [torch.cat([network(rows) for rows in torch.split(inputs, EVALUATION_ROWS)]) for network in networks]
        )


def evaluate(task: Task, networks: Sequence[nn.Module], inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Loss and metrics of several networks of one configuration: see :func:`summary`."""
    networks = [network.to(inputs.device) for network in networks]
    outputs = predict(networks, inputs)

    def means(one: Tensor) -> dict[str, float]:
        values = {name: value.double().mean() for name, value in sample_values(task, one, targets).items()}
        return {name: float(value) for name, value in finished_means(task, values).items()}

    return summary([means(one) for one in outputs], means(outputs.mean(dim=0)))


def summary(each: Sequence[Mapping[str, float]], ensemble: Mapping[str, float]) -> dict[str, float]:
    """One number per metric: the median over networks, under the metric's own name.

    With several networks also ``<metric>_min`` and ``<metric>_max``, their spread, and ``<metric>_ensemble``, the
    metric of their mean output.
    """
    result: dict[str, float] = {}
    for name in ensemble:
        values = [metrics[name] for metrics in each]
        result[name] = statistics.median(values)
        if len(values) > 1:
            result |= {
                f"{name}_min": min(values),
                f"{name}_max": max(values),
                f"{name}_ensemble": ensemble[name],
            }
    return result
