"""The result of a study, read back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from analysis.pareto import ParetoTrial, pareto_front
from analysis.refitted import RefittedNetwork
from search_spaces.choosing.population import Schedule
from search_spaces.errors import DataError, OutputError, SearchFailed, reason
from search_spaces.study.fields import without_password
from search_spaces.study.study import Study
from search_spaces.trials.best import read_metrics
from search_spaces.trials.database import SEARCH_SECONDS
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import ATTRIBUTES, Outcome
from search_spaces.trials.study_dir import StudyDir
from trainables.data.dataset import Dataset
from trainables.task import Task
from trainables.tasks import task_of


@dataclass(frozen=True)
class BestTrial:
    """The completed trial with the best value.

    Args:
        number: of the trial.
        params: its hyperparameters; where they changed as it trained, the last of them.
        value: of the first objective, at ``epoch``, which is its best.
        metrics: all metrics at that epoch.
        schedule: (epochs trained, hyperparameters from then on), where they changed; else empty.
    """

    number: int
    params: dict[str, Any]
    value: float
    epoch: int
    metrics: dict[str, float]
    schedule: Schedule = ()


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
        """Trials as Optuna has them, by number: where their hyperparameters are."""
        if self.study.database is None and not self.dir.journal.is_file():
            return []
        return self.optuna_study.get_trials(deepcopy=False)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """What is known of each trial, by number."""
        return [Outcome.of(trial) for trial in self.frozen_trials]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: number, state, value, epochs, best_epoch, seconds, reason, params_..., metrics_...."""
        rows = [
            {
                "number": o.number,
                "state": o.state.name,
                "value": o.value,
                **dict.fromkeys(ATTRIBUTES),
                **{name: kept for name, kept in o.attributes().items() if name in ATTRIBUTES},
                **{f"params_{k}": v for k, v in t.params.items()},
                **{f"metrics_{k}": v for k, v in o.metrics.items()},
            }
            for o, t in zip(self.outcomes, self.frozen_trials, strict=True)
        ]
        return pd.DataFrame(rows, columns=None if rows else ["number", "state", "value", *ATTRIBUTES])

    @property
    def state(self) -> Literal["finished", "failed", "running", "interrupted"]:
        """Whether the study reached its end, failed in every trial, is being run, or waits for ``tunefleet resume``."""
        searched = self.ended_by is not None
        if searched and self.dir.best_metrics.is_file():
            return "finished"
        if searched and not any(outcome.complete for outcome in self.outcomes):
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
        if not self.outcomes:
            return None
        seconds = self.optuna_study.user_attrs.get(SEARCH_SECONDS, 0.0)
        return self.study.ended_by(self.outcomes, seconds, self.objectives[0])

    @property
    def best(self) -> BestTrial:
        """The completed trial with the best value; of equals the first.

        Raises:
            SearchFailed: if no trial has completed.
        """
        completed = (outcome for outcome in self.outcomes if outcome.complete)
        found = min(completed, key=lambda outcome: self.objectives[0].cost(outcome.value), default=None)
        if found is None or found.value is None or found.best_epoch is None:
            raise SearchFailed(f"{self.study.name}: no trial has completed ({self._why_none()})")
        params = found.schedule[-1][1] if found.schedule else self.frozen_trials[found.number].params
        return BestTrial(found.number, dict(params), found.value, found.best_epoch, dict(found.metrics), found.schedule)

    @property
    def pareto(self) -> list[ParetoTrial]:
        """The Pareto front: completed trials that no other dominates, the best by the first objective first."""
        front = pareto_front(self.outcomes, self.objectives) if self.outcomes else {}
        return [ParetoTrial(n, dict(self.frozen_trials[n].params), self._named(values)) for n, values in front.items()]

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
        trials: list[dict[str, Any]] = [
            {
                "number": o.number,
                "state": o.state.name,
                "value": o.value,
                "params": dict(t.params),
                "epochs": o.epochs,
            }
            for o, t in zip(self.outcomes, self.frozen_trials, strict=True)
        ]
        summary: dict[str, Any] = {
            "study": self.study.name,
            "state": self.state,
            "ended_by": self.ended_by,
            "best": best,
            "refit": read_metrics(self.dir),
            "trials": trials,
        }
        if trials and len(self.objectives) > 1:
            summary["objectives"] = {objective.name: objective.mode for objective in self.objectives}
            summary["pareto"] = [{"trial": t.number, "params": t.params, "values": t.values} for t in self.pareto]
            for trial, outcome in zip(trials, self.outcomes, strict=True):
                values = outcome.values(self.objectives)
                trial["values"] = None if values is None else self._named(values)
        return summary

    def _named(self, values: list[float]) -> dict[str, float]:
        return {objective.name: value for objective, value in zip(self.objectives, values, strict=True)}

    def _why_none(self) -> str:
        for outcome in self.outcomes:
            if outcome.state is TrialState.FAIL:
                return f"trial {outcome.number} failed: {outcome.reason or 'unknown'}"
        return f"{len(self.outcomes)} trials so far"
