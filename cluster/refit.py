"""Refitting the best configuration on a worker, then testing it: the first time that test data are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import ray
import torch
from ray.exceptions import RayError, RayTaskError

from analysis.result import StudyResult, write_best, write_metrics
from cluster.engines.ray_session import worker_resources
from cluster.prepared import FOLDS, REFIT, Prepared, cross_validated
from cluster.recorder import Listener
from search_spaces.choosing.population import Schedule
from search_spaces.errors import SearchFailed, TunefleetError, reason
from search_spaces.trials.outcome import Epoch
from search_spaces.trials.study_dir import StudyDir
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.data.dataset import Array, Pair
from trainables.data.folds import refit_split
from trainables.plan import Data, Plan
from trainables.refit import Refit, cross_validate, evaluate, joined, networks_of, train_refit
from trainables.shape import trial_shape
from trainables.stack.rng import root_key
from trainables.task import Task
from trainables.trainable import worker_device

PROGRESS_SECONDS = 2.0


def refit(folder: StudyDir, prepared: Prepared, result: StudyResult, listener: Listener) -> None:
    """Refit the best trial of a finished search, test it, and write the ``best`` folder.

    Raises:
        SearchFailed: if no trial has completed, or no refit trains to its end.
        DataError: if the test data cannot be read.
    """
    study, best, task = prepared.study, result.best, prepared.task
    options = study.refit
    schedule = tuple((epoch, {**params, **options.params}) for epoch, params in best.schedule)
    params = schedule[0][1] if schedule else {**best.params, **options.params}
    plan, arrays = _plan(prepared, best.epoch)
    (split,) = plan.splits
    rows = f"{len(split.train)} rows" + (f", {len(split.validation)} held out" if len(split.validation) else "")
    listener.message(f"refitting trial {best.number}: {options.seeds} x {plan.epochs} epochs on {rows}")
    need, _ = worker_resources(study.resources)

    def start(function: Callable[..., Any], *arguments: Any) -> Any:
        return ray.remote(num_cpus=need["CPU"], num_gpus=need["GPU"])(function).remote(task, *arguments)

    stored = ray.put(arrays)
    # Networks that share no computation are spread over the workers; their numbers are the same either way.
    together = trial_shape(task, params, plan.splits, torch.device("cuda" if need["GPU"] else "cpu")).largest
    groups = [range(first, min(first + together, options.seeds)) for first in range(0, options.seeds, together)]
    reached: Any = ray.remote(num_cpus=0)(_Reached).remote()
    training = [start(_train, stored, plan, params, group, reached, schedule) for group in groups]
    folded = None
    if options.folds:
        folds = cross_validated(study, prepared.dataset, split)
        again = replace(prepared.plan(), splits=folds, key=root_key(study.search.seed, FOLDS))
        folded = start(_cross_validate, stored, again, params, schedule)
    while ray.wait(training, num_returns=len(training), timeout=PROGRESS_SECONDS)[1]:
        listener.refit_progress(_get(reached.read.remote(), "the refit"), options.seeds * plan.epochs)
    fitted = joined([_get(part, "the refit") for part in training])
    if fitted.failures:
        listener.message(
            f"{len(fitted.failures)} of {options.seeds} refits failed and are left out: {fitted.failures[0]}"
        )
    write_best(folder, study.task, fitted.params, fitted.states)
    with folder.replacing(folder.best_history) as aside:
        pd.DataFrame(fitted.history).to_csv(aside, index=False)
    TensorBoardLog(folder.tensorboard, study.search_space, plan.epochs, prepared.objectives).refit(fitted.history)
    held = (prepared.inputs[split.validation], prepared.targets[split.validation]) if len(split.validation) else None
    validation, test = (
        {} if pair is None else _get(start(_measure, fitted, pair), f"the {what} of the refit")
        for pair, what in ((held, "validation"), (prepared.dataset.read_test(), "test"))
    )
    kfold = {} if folded is None else _get(folded, "the cross-validation of the refit")
    write_metrics(folder, validation, test, kfold)


def _plan(prepared: Prepared, best_epoch: int) -> tuple[Plan, tuple[Array, Array]]:
    """How the refit is trained, and the rows its plan points to: with ``track_test`` those of the test split too."""
    study, options = prepared.study, prepared.study.refit
    split = refit_split(prepared.dataset, options, study.task_options.split_seed)
    held_out = len(split.validation) > 0
    inputs, targets, watch = prepared.inputs, prepared.targets, None
    if options.track_test and (test := prepared.dataset.read_test()) is not None:
        watch = np.arange(len(inputs), len(inputs) + len(test[0]))
        inputs, targets = np.concatenate([inputs, test[0]]), np.concatenate([targets, test[1]])
    plan = Plan(
        splits=[split],
        epochs=options.epochs or (study.task_options.epochs if held_out else best_epoch),
        key=root_key(study.search.seed, REFIT),
        patience=options.patience if held_out else None,
        keep_best=True,
        changing=study.search.pbt is not None,
        watch=watch,
    )
    return plan, (inputs, targets)


def _get(reference: Any, what: str) -> Any:
    """Wait for a worker's result; what fails there fails here in one line."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, TunefleetError):
            raise cause from error
        raise SearchFailed(f"{what} failed on its worker, {reason(cause)}") from error
    except RayError as error:
        raise SearchFailed(f"{what} failed, its worker's process died: {reason(error)}") from error


class _Reached:
    """An actor that knows how far the networks of a refit are."""

    def __init__(self) -> None:
        self._epochs: dict[int, int] = {}

    def note(self, epochs: dict[int, int]) -> None:
        """Epochs by seed."""
        self._epochs.update(epochs)

    def read(self) -> int:
        """Epochs of all networks together."""
        return sum(self._epochs.values())


def _train(
    task: Task,
    arrays: tuple[Array, Array],
    plan: Plan,
    params: dict[str, Any],
    seeds: range,
    reached: Any,
    schedule: Schedule,
) -> Refit:
    def note(results: dict[int, Epoch]) -> None:
        reached.note.remote({seed: epoch.epoch for seed, epoch in results.items()})

    return train_refit(task, Data.on(worker_device(), *arrays), plan, params, seeds, note, schedule)


def _cross_validate(
    task: Task, arrays: tuple[Array, Array], plan: Plan, params: dict[str, Any], schedule: Schedule
) -> dict[str, float]:
    return cross_validate(task, Data.on(worker_device(), *arrays), plan, params, schedule)


def _measure(task: Task, fitted: Refit, test: Pair) -> dict[str, float]:
    data = Data.on(worker_device(), *test)
    return evaluate(task, networks_of(task, fitted.params, fitted.states), data.inputs, data.targets)
