"""The result of a study, read back from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import optuna
import pandas as pd
import torch
from optuna.trial import FrozenTrial, TrialState
from torch import nn

from analysis.pareto import ParetoTrial, completed, first_value, pareto_front
from search_spaces.choosing.population import Schedule
from search_spaces.errors import DataError, OutputError, SearchFailed, reason
from search_spaces.study.fields import without_password
from search_spaces.study.study import Study
from search_spaces.study.yaml_file import dump_yaml
from search_spaces.trials.database import SEARCH_SECONDS
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import ATTRIBUTES, WAVE, Outcome
from search_spaces.trials.study_dir import StudyDir
from trainables.data.dataset import Array, Dataset, checked
from trainables.refit import networks_of, predict
from trainables.task import Task
from trainables.tasks import task_of

MEASURED = ("validation", "test", "kfold")
"""What the refit is measured by: its held-out rows, the test split, and its cross-validation. Each may be empty."""


@dataclass(frozen=True)
class BestTrial:
    """The completed trial with the best value.

    ``schedule``: the hyperparameters of its network by the epochs trained before them, where they changed; ``params``
    are then the last of them.
    """

    number: int
    params: dict[str, Any]
    value: float
    epoch: int
    metrics: dict[str, float]
    schedule: Schedule = ()


class RefittedNetwork:
    """The networks that were refitted with the best configuration, one per seed."""

    def __init__(self, task: Task, folder: StudyDir) -> None:
        try:
            saved = torch.load(folder.best_model, weights_only=True)
        except Exception as error:
            raise OutputError(f"{folder.best_model}: cannot be read, {reason(error)}") from error
        metrics = json.loads(folder.best_metrics.read_text())
        self.params: dict[str, Any] = saved["params"]
        self.networks: list[nn.Module] = networks_of(task, self.params, saved["states"])
        self.validation: dict[str, float] = metrics["validation"]
        self.test: dict[str, float] = metrics["test"]
        self.kfold: dict[str, float] = metrics.get("kfold", {})

    @property
    def network(self) -> nn.Module:
        """The first network, in evaluation mode, on the CPU."""
        return self.networks[0]

    def predict(self, inputs: Array, ensemble: bool = True) -> Array:
        """Outputs for inputs (N, ...): the mean over all networks, or of the first network alone.

        Raises:
            DataError: if the inputs are not finite numbers, or not of the network's shape.
        """
        rows = torch.tensor(checked(inputs, "inputs"))
        try:
            outputs: Array = predict(self.networks if ensemble else self.networks[:1], rows).mean(dim=0).numpy()
        except RuntimeError as error:
            raise DataError(
                f"inputs: the network takes no rows of shape {tuple(rows.shape[1:])}, {reason(error)}"
            ) from error
        return outputs


class StudyResult:
    """A study that ran, or is running: its trials, its best one, and the refitted network.

    Args:
        folder: where the study was run.
        task: the task object, where it cannot be made from the study file (a class of a notebook).
        dataset: the task's data, where they have been read already.

    Raises:
        OutputError: if the folder holds no study.
    """

    def __init__(self, folder: str | Path | StudyDir, task: Task | None = None, dataset: Dataset | None = None) -> None:
        self.dir = folder if isinstance(folder, StudyDir) else StudyDir.open(folder)
        self.study: Study = self.dir.study()
        self._task = task
        self._dataset = dataset

    @cached_property
    def task(self) -> Task:
        """The study's task."""
        return task_of(self.study, self._task)

    @cached_property
    def dataset(self) -> Dataset:
        """The task's data, read again from the study's data folder where they were not given.

        Raises:
            DataError: if they cannot be read.
        """
        if self._dataset is not None:
            return self._dataset
        try:
            return self.task.load(Path(self.study.data_dir) if self.study.data_dir else None)
        except OSError as error:
            raise DataError(f"the data of task {self.study.task} cannot be read, {reason(error)}") from error

    @cached_property
    def optuna_study(self) -> optuna.Study:
        """The trial database as an Optuna study."""
        storage = open_storage(self.dir.journal, self.study.database)
        try:
            return optuna.load_study(study_name=self.study.name, storage=storage)
        except KeyError as error:
            where = without_password(self.study.database or self.dir.journal)
            raise OutputError(f"{where}: holds no trials of the study '{self.study.name}'") from error

    @cached_property
    def frozen_trials(self) -> list[FrozenTrial]:
        """Trials as Optuna has them, by number."""
        if self.study.database is None and not self.dir.journal.is_file():
            return []
        return self.optuna_study.get_trials(deepcopy=False)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: number, state, value, epochs, best_epoch, seconds, reason, params_..., metrics_...."""
        rows = [
            {
                "number": t.number,
                "state": t.state.name,
                "value": first_value(t),
                **{name: t.user_attrs.get(name) for name in ATTRIBUTES},
                **{f"params_{k}": v for k, v in t.params.items()},
                **{f"metrics_{k}": v for k, v in _metrics(t).items()},
            }
            for t in self.frozen_trials
        ]
        return pd.DataFrame(rows, columns=None if rows else ["number", "state", "value", *ATTRIBUTES])

    @property
    def state(self) -> Literal["finished", "failed", "running", "interrupted"]:
        """Whether the study reached its end, failed in every trial, is being run, or waits for ``tunefleet resume``."""
        searched = self.ended_by is not None
        if searched and self.dir.best_metrics.is_file():
            return "finished"
        if searched and not any(t.state is TrialState.COMPLETE for t in self.frozen_trials):
            return "failed"
        return "running" if self.dir.running() else "interrupted"

    @cached_property
    def objectives(self) -> list[Objective]:
        """What is optimised; the value of a trial is that of the first."""
        directions = self.optuna_study.directions
        return list(map(Objective.towards, directions, self.optuna_study.metric_names or ["loss"]))

    @property
    def ended_by(self) -> str | None:
        """The limit that ended the search, in words; None for one that has not ended."""
        if not self.frozen_trials:
            return None
        seconds = self.optuna_study.user_attrs.get(SEARCH_SECONDS, 0.0)
        return self.study.ended_by([Outcome.of(t) for t in self.frozen_trials], seconds, self.objectives[0])

    @property
    def metric(self) -> str:
        """What is optimised, first of all."""
        return self.objectives[0].name

    @property
    def mode(self) -> Mode:
        """Whether small or large values of it are good."""
        return self.objectives[0].mode

    @property
    def best(self) -> BestTrial:
        """The completed trial with the best value; of equals the first.

        Raises:
            SearchFailed: if no trial has completed.
        """
        candidates = completed(self.frozen_trials)
        if not candidates:
            raise SearchFailed(f"{self.study.name}: no trial has completed ({self._why_none()})")
        best = min(candidates, key=lambda t: (self.objectives[0].cost(t.values[0]), t.number))
        schedule = Outcome.of(best).schedule
        return BestTrial(
            number=best.number,
            params=dict(schedule[-1][1] if schedule else best.params),
            value=float(best.values[0]),
            epoch=int(best.user_attrs["best_epoch"]),
            metrics=_metrics(best),
            schedule=schedule,
        )

    @property
    def pareto(self) -> list[ParetoTrial]:
        """The Pareto front: completed trials that no other dominates, the best by the first objective first."""
        return pareto_front(self.frozen_trials, self.objectives) if self.frozen_trials else []

    @cached_property
    def refit(self) -> RefittedNetwork:
        """The refitted networks, with their validation and test metrics.

        Raises:
            OutputError: if the study has not been refitted.
        """
        return RefittedNetwork(self.task, self.dir)

    @property
    def history(self) -> pd.DataFrame:
        """The refit's curves: one row per network and epoch."""
        return pd.read_csv(self.dir.best_history)

    def summary(self) -> dict[str, Any]:
        """What ``tunefleet show --json`` prints."""
        try:
            found = self.best
            best = {"trial": found.number, "params": found.params, "value": found.value}
        except SearchFailed:
            best = None
        refit = None
        if self.dir.best_metrics.is_file():
            metrics = json.loads(self.dir.best_metrics.read_text())
            refit = {split: metrics.get(split, {}) for split in MEASURED}
        summary: dict[str, Any] = {
            "study": self.study.name,
            "state": self.state,
            "ended_by": self.ended_by,
            "best": best,
            "refit": refit,
            "trials": [
                {
                    "number": t.number,
                    "state": t.state.name,
                    "value": first_value(t),
                    "params": dict(t.params),
                    "epochs": t.user_attrs.get("epochs", 0),
                }
                for t in self.frozen_trials
            ],
        }
        if self.frozen_trials and len(self.objectives) > 1:
            names = [objective.name for objective in self.objectives]
            summary["objectives"] = {objective.name: objective.mode for objective in self.objectives}
            summary["pareto"] = [{"trial": t.number, "params": t.params, "values": t.values} for t in self.pareto]
            for trial, t in zip(summary["trials"], self.frozen_trials, strict=True):
                trial["values"] = dict(zip(names, t.values, strict=True)) if t.values else None
        return summary

    def _why_none(self) -> str:
        for t in self.frozen_trials:
            if t.state is TrialState.FAIL:
                return f"trial {t.number} failed: {t.user_attrs.get('reason', 'unknown')}"
        return f"{len(self.frozen_trials)} trials so far"


def write_best(folder: StudyDir, task: str, params: Mapping[str, Any], states: list[dict[str, torch.Tensor]]) -> None:
    """Write the refitted networks and their configuration."""
    folder.write_text(folder.best_params, dump_yaml(dict(params)))
    with folder.replacing(folder.best_model) as aside:
        torch.save({"task": task, "params": dict(params), "states": states}, aside)


def write_metrics(
    folder: StudyDir,
    validation: Mapping[str, float],
    test: Mapping[str, float],
    kfold: Mapping[str, float] | None = None,
) -> None:
    """Write the refit's metrics, and those of its cross-validation; the last file of a finished study."""
    metrics = {"validation": dict(validation), "test": dict(test), "kfold": dict(kfold or {})}
    folder.write_text(folder.best_metrics, json.dumps(metrics, indent=2))


def _metrics(trial: FrozenTrial) -> dict[str, float]:
    return {k: float(v) for k, v in trial.user_attrs.items() if k not in ATTRIBUTES and k != WAVE}
