"""The refit: training the best configuration once more, from several seeds at once, to be tested and drawn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.choosing.population import Schedule
from search_spaces.errors import SearchFailed
from search_spaces.trials.objectives import COSTS
from search_spaces.trials.outcome import Epoch, State
from trainables.cohort import Cohort
from trainables.plan import Data, Plan
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


def train_refit(
    task: Task,
    data: Data,
    plan: Plan,
    params: Mapping[str, Any],
    seeds: Iterable[int],
    on_epoch: Callable[[dict[int, Epoch]], object] = lambda results: None,
    schedule: Schedule = (),
) -> Refit:
    """Train one network per seed as one stack, each with its own early stop.

    ``on_epoch`` gets results by seed. ``schedule``: hyperparameters that replace others after some epochs.
    """
    cohort = Cohort(task, data, plan, [(seed, params) for seed in seeds])
    history: list[dict[str, float]] = []
    held_out = len(plan.splits[0].validation) > 0
    while cohort.live:
        results = _advance(cohort, schedule)
        on_epoch(results)
        for seed, epoch in results.items():
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
    finished = [o.number for o in outcomes if o.state is State.COMPLETE]
    states = [{k: v.cpu() for k, v in cohort.weights[number][0].items()} for number in finished]
    kept = [row for row in history if row["seed"] in finished]
    failures = [str(o.reason) for o in outcomes if o.state is not State.COMPLETE]
    return Refit(
        dict(schedule[-1][1] if schedule else params),
        states,
        sorted(kept, key=lambda row: (row["seed"], row["epoch"])),
        failures,
    )


def joined(parts: Sequence[Refit]) -> Refit:
    """One refit of several that were trained apart.

    Raises:
        SearchFailed: if no network was trained to the end.
    """
    failures = [reason for part in parts for reason in part.failures]
    states = [state for part in parts for state in part.states]
    if not states:
        raise SearchFailed(f"the refit of {parts[0].params} failed: {failures[0]}")
    return Refit(parts[0].params, states, [row for part in parts for row in part.history], failures)


def cross_validate(
    task: Task, data: Data, plan: Plan, params: Mapping[str, Any], schedule: Schedule = ()
) -> dict[str, float]:
    """Metrics of one configuration, trained as a trial is over the plan's folds, at the best epoch of their mean.

    Raises:
        SearchFailed: if a fold fails.
    """
    cohort = Cohort(task, data, plan, [(0, params)])
    while cohort.live:
        _advance(cohort, schedule)
    (outcome,) = cohort.ended
    if outcome.state is not State.COMPLETE:
        raise SearchFailed(f"the cross-validation of {dict(params)} failed: {outcome.reason}")
    measured = {name: value for name, value in outcome.metrics.items() if name not in COSTS}
    return {**measured, "epoch": float(outcome.best_epoch or 0)}


def _advance(cohort: Cohort, schedule: Schedule) -> dict[int, Epoch]:
    for epoch, params in schedule:
        if epoch and epoch == cohort.epoch:
            cohort.change(params)
    return cohort.advance()


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
