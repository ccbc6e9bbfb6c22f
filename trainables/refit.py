"""The refit: training the best configuration once more, from several seeds at once, to be tested and drawn."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.errors import SearchFailed
from search_spaces.outcome import State
from trainables.cohort import Cohort, Data, Plan
from trainables.recipe import network_params
from trainables.stack import Values, sample_values
from trainables.task import Task

EVALUATION_ROWS = 1024


@dataclass(frozen=True)
class Refit:
    """Networks of one configuration, one per seed.

    Args:
        params: the configuration.
        states: a state dict per network, of its best epoch where rows were held out, else of its last.
        history: one row per network and epoch: seed, epoch, train_loss, lr and the metrics.
        validation: metrics on the held-out rows at those epochs; see :func:`summary`. Empty without such rows.
    """

    params: dict[str, Any]
    states: list[Values]
    history: list[dict[str, float]]
    validation: dict[str, float]


def train_refit(task: Task, data: Data, plan: Plan, params: Mapping[str, Any], seeds: int) -> Refit:
    """Train ``seeds`` networks as one stack, each with its own early stop.

    Raises:
        SearchFailed: if none of them trains to the end.
    """
    cohort = Cohort(task, data, plan, [(seed, params) for seed in range(seeds)])
    history: list[dict[str, float]] = []
    held_out = len(plan.splits[0].validation) > 0
    while cohort.live:
        for seed, epoch in cohort.advance().items():
            # Without held-out rows the cohort's own metrics are those of training.
            measured = {
                f"validation_{k}" if held_out and not k.startswith("test_") else k: v for k, v in epoch.metrics.items()
            }
            if not held_out:
                measured.pop("loss", None)
            history.append(
                {"seed": seed, "epoch": epoch.epoch, "train_loss": epoch.train_loss, "lr": epoch.lr, **measured}
            )
    outcomes = sorted(cohort.ended, key=lambda o: o.number)
    done = [o for o in outcomes if o.state is State.COMPLETE]
    if not done:
        raise SearchFailed(f"the refit of {dict(params)} failed: {outcomes[0].reason}")
    states = [{k: v.cpu() for k, v in cohort.weights[o.number][0].items()} for o in done]
    finished = {o.number for o in done}
    rows_of_done = [row for row in history if row["seed"] in finished]
    refit = Refit(dict(params), states, sorted(rows_of_done, key=lambda row: (row["seed"], row["epoch"])), {})
    if held_out:
        rows = torch.from_numpy(plan.splits[0].validation).to(data.inputs.device)
        refit.validation.update(
            evaluate(task, networks_of(task, refit.params, states), data.inputs[rows], data.targets[rows])
        )
    return refit


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
        return {name: float(value.double().mean()) for name, value in sample_values(task, one, targets).items()}

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
