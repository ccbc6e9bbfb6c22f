"""Refitting the best configuration on a worker, then testing it: the first time that test data are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import ray
from ray.exceptions import RayError, RayTaskError

from analysis.result import StudyResult, write_best, write_metrics
from analysis.study_dir import StudyDir
from analysis.tensorboard_log import TensorBoardLog
from cluster.prepared import REFIT, Prepared
from cluster.ray_session import worker_resources
from cluster.recorder import Listener
from search_spaces.errors import SearchFailed, TunefleetError, reason
from trainables.cohort import Data, Plan
from trainables.folds import refit_split
from trainables.refit import Refit, evaluate, networks_of, train_refit
from trainables.rng import root_key
from trainables.task import Array, Pair, Task
from trainables.trainable import worker_device


def refit(folder: StudyDir, prepared: Prepared, result: StudyResult, listener: Listener) -> None:
    """Refit the best trial of a finished search, test it, and write the ``best`` folder.

    Raises:
        SearchFailed: if no trial has completed, or no refit trains to its end.
        DataError: if the test data cannot be read.
    """
    study, best = prepared.study, result.best
    options = study.refit
    split = refit_split(prepared.dataset, options.validation, study.task_options.split_seed)
    held_out = len(split.validation) > 0
    epochs = options.epochs or (study.task_options.epochs if held_out else best.epoch)
    rows = f"{len(split.train)} rows" + (f", {len(split.validation)} held out" if held_out else "")
    listener.message(f"refitting trial {best.number}: {options.seeds} x {epochs} epochs on {rows}")
    test = prepared.dataset.read_test() if options.track_test else None
    inputs, targets, watch = prepared.inputs, prepared.targets, None
    if test is not None:
        watch = np.arange(len(inputs), len(inputs) + len(test[0]))
        inputs, targets = np.concatenate([inputs, test[0]]), np.concatenate([targets, test[1]])
    plan = Plan(
        splits=[split],
        epochs=epochs,
        key=root_key(study.search.seed, REFIT),
        patience=options.patience if held_out else None,
        keep_best=True,
        watch=watch,
    )
    need, _ = worker_resources(study.resources)
    remote: dict[str, Any] = {"num_cpus": need["CPU"], "num_gpus": need["GPU"]}
    arrays = ray.put((inputs, targets))
    training = ray.remote(**remote)(_train).remote(prepared.task, arrays, plan, best.params, options.seeds)
    fitted: Refit = _get(training, "the refit")
    if len(fitted.states) < options.seeds:
        listener.message(f"{options.seeds - len(fitted.states)} of {options.seeds} refits failed and are left out")
    write_best(folder, study.task, fitted.params, fitted.states)
    with folder.replacing(folder.best_history) as aside:
        pd.DataFrame(fitted.history).to_csv(aside, index=False)
    TensorBoardLog(folder.tensorboard, study.search_space, epochs).refit(fitted.history)
    if not options.track_test:
        test = prepared.dataset.read_test()
    measured: dict[str, float] = {}
    if test is not None:
        measured = _get(ray.remote(**remote)(_test).remote(prepared.task, fitted, test), "the test")
    write_metrics(folder, fitted.validation, measured)


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


def _train(task: Task, arrays: tuple[Array, Array], plan: Plan, params: dict[str, Any], seeds: int) -> Refit:
    return train_refit(task, Data.on(worker_device(), *arrays), plan, params, seeds)


def _test(task: Task, fitted: Refit, test: Pair) -> dict[str, float]:
    data = Data.on(worker_device(), *test)
    return evaluate(task, networks_of(task, fitted.params, fitted.states), data.inputs, data.targets)
