"""Populations under Ray Tune's own schedulers: one worker per member, and checkpoints between them.

For networks that fill a device. Everything else trains a population as one cohort, in which a copy costs nothing.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler

from cluster.recorder import Recorder
from search_spaces.choosing.population import PopulationTraining
from search_spaces.errors import reason
from search_spaces.trials.cohorts import CohortPlan, Shape
from search_spaces.trials.outcome import State
from search_spaces.trials.proposer import Proposal, Proposer
from trainables.trainable import MemberTrainable
from trainables.trial_run import TrialRun


def search_by_ray(
    run: Callable[..., None], population: PopulationTraining, proposer: Proposer, recorder: Recorder
) -> None:
    """Train population after population; one that was interrupted begins anew.

    Args:
        run: :func:`cluster.tuner.run_tune`, for this study and cluster.

    Raises:
        RayError, TuneError: of Ray itself.
    """
    size = population.options.population
    unfinished = list(proposer.unfinished)
    blocks = [
        [p for p in unfinished if p.number // size == block] for block in sorted({p.number // size for p in unfinished})
    ]
    while blocks or proposer.room:
        members = blocks.pop(0) if blocks else list(proposer.ask(size))
        _train(run, population, members, recorder)


def _train(
    run: Callable[..., None], population: PopulationTraining, members: Sequence[Proposal], recorder: Recorder
) -> None:
    callback = _MemberCallback(members, recorder, population.mode)
    for member in members:
        recorder.begin(CohortPlan(Shape(key="member"), (member,)))
    configs = {m.number: population.config_of(m.number, m.params) for m in members}
    first = next(iter(configs.values()))

    def own(name: str) -> Any:
        return tune.sample_from(lambda config: configs[config["number"]][name])

    random.seed(population.seed)  # whom Ray Tune copies, it draws from Python's own generator
    param_space = {"number": tune.grid_search(list(configs)), **{n: own(n) for n in first if n != "number"}}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")  # of the model of pb2, about itself
        run(MemberTrainable, callback, "member", param_space=param_space, scheduler=_scheduler(population))


def _scheduler(population: PopulationTraining) -> TrialScheduler:
    options = population.options
    common: dict[str, Any] = {
        "time_attr": "epoch",
        "metric": "value",
        "mode": population.mode,
        "perturbation_interval": options.interval,
        "quantile_fraction": options.quantile,
        "log_config": False,
        # Not synch: there, members that wait for one that has failed would wait for ever.
    }
    if options.explore == "pb2":
        from ray.tune.schedulers.pb2 import PB2  # here: it brings scikit-learn, which takes half a second

        bounds: dict[str, Any] = {p.name: [0.0, 1.0] for p in population.space.parameters if not p.constant}
        return PB2(hyperparam_bounds=bounds, **common)
    return PopulationBasedTraining(custom_explore_fn=_explore(population), **common)


def _explore(population: PopulationTraining) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Our own way to explore: Ray Tune's leaves the ranges, and multiplies on grids."""
    rng = np.random.default_rng(population.seed)
    return lambda config: {**config, "params": population.explore(config["params"], rng)}


class _MemberCallback(tune.Callback):
    """Keeps each trial's own curve: a copy brings along that of the member it was copied from."""

    def __init__(self, members: Sequence[Proposal], recorder: Recorder, mode: Any) -> None:
        self._runs = {m.number: TrialRun(m.number, m.params, mode) for m in members}
        self._recorder = recorder
        self._numbers: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its configuration so that it could restore a run, which is never done."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a member begins or goes on."""
        self._number(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Called by Ray Tune for every result, the last of a member included."""
        report = result.pop("report")
        number = self._number(trial)
        run = self._runs[number]
        run.schedule = report.schedule
        epochs = [epoch for every in report.epochs.values() for epoch in every]
        for epoch in epochs:
            run.record(epoch)
        report.epochs = {number: epochs}
        report.ended = [run.outcome(ended.state, ended.reason) for ended in report.ended]
        self._recorder.record(report)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a member's worker failed or died."""
        error = trial.get_pickled_error()
        why = reason(error) if error is not None else "its worker failed"
        self._recorder.tell(self._runs[self._number(trial)].outcome(State.FAIL, why))

    def _number(self, trial: Any) -> int:
        """Of the trial that a member was when it was first seen: a copy brings along the number of another."""
        return self._numbers.setdefault(trial.trial_id, int(trial.config["number"]))
