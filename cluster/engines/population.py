"""Populations under Ray Tune's own schedulers: one worker per member, and checkpoints between them.

For networks that fill a device. Everything else trains a population as one cohort, in which a copy costs nothing.
"""

from __future__ import annotations

import math
import random
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from optuna.trial import TrialState
from ray import tune
from ray.exceptions import RayError
from ray.tune import TuneError
from ray.tune.schedulers import PopulationBasedTraining, TrialScheduler

from cluster.engines.ray_tune import worker_device
from cluster.engines.tuner import run_tune
from cluster.place import Place
from cluster.prepared import Prepared
from cluster.recorder import Recorder
from search_spaces.choosing.population import PopulationTraining
from search_spaces.errors import ClusterError, reason
from search_spaces.trials.checkpoints import Checkpoints, Saved
from search_spaces.trials.objectives import Objective
from search_spaces.trials.proposer import Proposer, Wave
from search_spaces.trials.study_dir import StudyDir
from trainables.messages import Leg, Report
from trainables.stack.rng import root_key
from trainables.trial_run import TrialRun
from trainables.worker import Job, Worker


def search_by_ray(folder: StudyDir, prepared: Prepared, proposer: Proposer, place: Place, recorder: Recorder) -> None:
    """Train population after population; one that was interrupted begins anew.

    Raises:
        ClusterError: of Ray itself.
    """
    waves = proposer.unfinished()
    try:
        while wave := waves.pop(0) if waves else proposer.propose():
            _train(folder, prepared, wave, place, recorder)
    except (RayError, TuneError) as error:
        raise ClusterError(f"Ray stopped the search, {reason(error)}; what finished is kept") from error


def _train(folder: StudyDir, prepared: Prepared, members: Wave, place: Place, recorder: Recorder) -> None:
    population = prepared.population
    if population is None:
        raise ValueError("members belong to a population")
    callback = _MemberCallback(members, recorder, population.objective)
    for member in members:
        recorder.begin(member, 0)
    configs = {m.number: population.config_of(m.number, m.params) for m in members}
    first = next(iter(configs.values()))

    def own(name: str) -> Any:
        return tune.sample_from(lambda config: configs[config["number"]][name])

    random.seed(population.seed)  # whom Ray Tune copies, it draws from Python's own generator
    param_space = {"number": tune.grid_search(list(configs)), **{n: own(n) for n in first if n != "number"}}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")  # of the model of pb2, about itself
        run_tune(
            MemberTrainable,
            prepared.job(),
            folder.ray,
            place.need,
            min(place.workers, len(members)),
            callback,
            "member",
            param_space,
            reuse_actors=True,
            scheduler=_scheduler(population),
        )


def _scheduler(population: PopulationTraining) -> TrialScheduler:
    options = population.options
    common: dict[str, Any] = {
        "time_attr": "epoch",
        "metric": "value",
        "mode": population.objective.mode,
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


class MemberTrainable(tune.Trainable):
    """One member of a population under a scheduler of Ray Tune, which moves checkpoints and configurations about.

    A configuration holds ``number``, of the trial that it was drawn for, and what
    ``PopulationTraining.params_of`` reads hyperparameters from. A result holds ``epoch``, ``value``, the network's
    ``schedule``, and reports whose trials go by that number.
    """

    def setup(self, config: dict[str, Any], job: Job) -> None:  # type: ignore[override] # with_parameters adds it
        """Called once per worker, with its first member."""
        if job.population is None:
            raise ValueError("a member belongs to a population")
        torch.set_num_threads(job.threads)
        self._job, self._population = job, job.population
        self._worker = Worker(job, worker_device())
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called by Ray Tune to hand another member, or the copy of one, to this worker."""
        self._number = int(new_config["number"])
        self._params = self._population.params_of(new_config)
        self._saved: Saved | None = None
        self._worker.forget()
        return True

    def step(self) -> dict[str, Any]:
        """Train for one interval, or to the end."""
        start, last = self._saved.epoch if self._saved else 0, self._job.plan.epochs
        until = next(e for e in range(start + 1, last + 1) if e == last or self._population.due(e))
        # Ray Tune hands the number on with a copy, which must not draw the same batches: its place does not move.
        place = zlib.crc32(self.trial_id.rpartition("_")[2].encode())
        plan = replace(self._job.plan, key=root_key(self._job.plan.key, place))
        saved = self._saved.state if self._saved else None
        self._worker.begin(Leg(self._number, ((self._number, self._params),), start, until, None, saved, plan))
        if self._saved and self._worker.params(self._number) != self._params:
            self._worker.change(self._params)
        reports: list[Report] = []
        while not (reports and reports[-1].done):
            reports.append(self._worker.step())
        report = reports[-1]
        self._saved = Saved(report.epoch, report.live, report.state) if report.state is not None else None
        values = [epoch.value for one in reports for epoch in one.epochs.get(self._number, ())]
        schedule = self._worker.schedule(self._number) if report.live else report.ended[0].schedule
        value = values[-1] if values else math.nan
        return {
            "reports": reports,
            "schedule": schedule,
            "epoch": report.epoch,
            "value": value,
            "done": not report.live,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything that a copy needs; of a member that has ended, nothing."""
        if self._saved is not None:
            Checkpoints(Path(checkpoint_dir)).save(0, self._saved)

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Go on from a checkpoint, a member's own or another's, with the hyperparameters of the configuration."""
        self._saved = Checkpoints(Path(checkpoint)).read(0)
        self._worker.forget()  # of the same number and epoch, perhaps, and yet another network


class _MemberCallback(tune.Callback):
    """Keeps each trial's own curve: a copy brings along that of the member it was copied from."""

    def __init__(self, members: Wave, recorder: Recorder, objective: Objective) -> None:
        self._runs = {m.number: TrialRun(m.number, m.params, objective) for m in members}
        self._recorder = recorder
        self._numbers: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its configuration so that it could restore a run, which is never done."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a member begins or goes on."""
        self._recorder.listener.leg_started(self._number(trial), 1, 0)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Called by Ray Tune for every result, the last of a member included."""
        number = self._number(trial)
        run = self._runs[number]
        run.schedule = result.pop("schedule")
        for report in result.pop("reports"):
            epochs = [epoch for every in report.epochs.values() for epoch in every]
            for epoch in epochs:
                run.record(epoch)
            ended = [
                replace(own := run.outcome(one.state, one.reason), metrics={**one.metrics, **own.metrics})
                for one in report.ended
            ]
            done = not report.live
            self._recorder.record(Report(number, report.epoch, (number,) * (not done), done, {number: epochs}))
            for outcome in ended:
                self._recorder.finish(outcome)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a member's worker failed or died."""
        error = trial.get_pickled_error()
        why = reason(error) if error is not None else "its worker failed"
        self._recorder.finish(self._runs[self._number(trial)].outcome(TrialState.FAIL, why))

    def _number(self, trial: Any) -> int:
        """Of the trial that a member was when it was first seen: a copy brings along the number of another."""
        return self._numbers.setdefault(trial.trial_id, int(trial.config["number"]))
