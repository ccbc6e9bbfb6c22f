"""A study that is ready to run: checked, its task made, its data read. Everything that can fail early fails here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from search_spaces.choosing.population import PopulationTraining
from search_spaces.choosing.rungs import Rule
from search_spaces.errors import DataError, StudyError, TaskError, TunefleetError, reason
from search_spaces.study.study import Study
from search_spaces.trials.objectives import Objective
from trainables.data.dataset import Dataset
from trainables.data.folds import Split, k_folds, refit_split, search_splits
from trainables.plan import Plan
from trainables.recipe import check_params, check_space
from trainables.rehearsal import rehearse
from trainables.shape import check_changeable
from trainables.stack.rng import root_key
from trainables.task import Task
from trainables.tasks import task_of
from trainables.worker import Job

SEARCH, REFIT, FOLDS = 0, 1, 2
"""Branches of the study's random key: the refit and its cross-validation share no random number with any trial."""


@dataclass(frozen=True)
class Prepared:
    """A study with its task and data. ``splits`` hold row numbers of ``dataset.all_rows``."""

    study: Study
    task: Task
    dataset: Dataset
    splits: list[Split]

    def plan(self) -> Plan:
        """How every trial is trained."""
        return Plan(
            splits=self.splits,
            epochs=self.study.task_options.epochs,
            key=root_key(self.study.search.seed, SEARCH),
            patience=self.study.early_stopping.patience,
            changing=self.study.search.pbt is not None,
        )

    @property
    def population(self) -> PopulationTraining | None:
        """The rounds of population-based training; None without it."""
        pbt = self.study.search.pbt
        if pbt is None:
            return None
        return PopulationTraining(pbt, self.study.search_space, self.task.objective, self.study.search.seed)

    @property
    def objectives(self) -> list[Objective]:
        """What the search optimises: at least one."""
        return self.study.named_objectives or [self.task.objective]

    @property
    def rule(self) -> Rule | None:
        """What compares trials at rungs; None without."""
        return self.study.early_stopping.rule(self.study.task_options.epochs)

    def job(self) -> Job:
        """What every worker needs."""
        return Job(self.task, *self.dataset.all_rows, self.plan(), self.study.resources.cpu, self.population)


def cross_validated(study: Study, dataset: Dataset, refitted: Split) -> list[Split]:
    """The folds that ``refit.folds`` asks for, of all rows of the refit.

    Raises:
        DataError: if there are fewer rows than folds.
    """
    rows = np.concatenate([refitted.train, refitted.validation])
    return k_folds(dataset, study.refit.folds or 1, study.task_options.split_seed, rows, "refit.folds")


def prepare(study: Study, task: Task | None = None) -> Prepared:
    """Make the task, check the space against it, read the training data.

    Args:
        study: what to run.
        task: a task object, instead of the one that the study names.

    Raises:
        TunefleetError: in one line, for whatever is wrong with the study, the task or its data.
    """
    task = task_of(study, task)
    check_space(study.search_space, task)
    check_params(study.refit.params, task, "refit.params")
    folder = None if study.data_dir is None else Path(study.data_dir)
    if folder is not None and not folder.is_dir():
        raise DataError(f"--data: {folder} is no folder")
    try:
        dataset = task.load(folder)
    except TunefleetError:
        raise
    except Exception as error:  # of a user's own task
        raise TaskError(f"{type(task).__name__}.load: {reason(error)}") from error
    if not isinstance(dataset, Dataset):
        raise TaskError(f"{type(task).__name__}.load: must return a Dataset, got {type(dataset).__name__}")
    rehearse(task, study.search_space, *dataset.all_rows, objectives=study.named_objectives)
    if study.refit.params:
        rehearse(task, study.search_space, *dataset.all_rows, study.refit.params)
    refitted = refit_split(dataset, study.refit, study.task_options.split_seed)
    if study.refit.folds:
        cross_validated(study, dataset, refitted)
    if study.refit.patience is not None and not len(refitted.validation):
        raise StudyError("refit.patience: needs rows to judge by, and none are held out; set refit.validation")
    splits = search_splits(dataset, study.task_options)
    if study.search.pbt is not None:
        if study.search.pbt.asks_ray and study.resources.engine == "inline":
            raise StudyError(
                "search.pbt: engine ray and explore pb2 are Ray Tune's, and resources.engine inline has no Ray"
            )
        check_changeable(task, study.search_space, splits, torch.device("cpu"))
    return Prepared(study, task, dataset, splits)
