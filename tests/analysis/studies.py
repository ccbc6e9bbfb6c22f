"""Real studies for the tests, run in this process: proposing, training and refitting, without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from analysis.result import StudyResult
from search_spaces.choosing.rungs import Decision, Rungs
from search_spaces.study.study import Study
from search_spaces.trials.best import write_best, write_metrics
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.study_dir import StudyDir
from tests.trainables.refits import refitted
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.dataset import Pair
from trainables.data.folds import refit_split, search_splits
from trainables.plan import Plan
from trainables.refit import evaluate, networks_of
from trainables.stack.fused import Traces
from trainables.stack.rng import root_key
from trainables.task import Task
from trainables.tasks import task_of

LR = {"low": 1e-3, "high": 1e-1, "log": True}
MLP = {"optimizer": ["adam", "sgd"], "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}}, "lr": LR}


def run_study(
    root: Path, raw: dict[str, Any], task: Task | None = None, trials: int | None = None, refit: bool = True
) -> StudyResult:
    """Run ``trials`` trials of a study, all by default, then refit it."""
    study = Study(**raw)
    folder = StudyDir.create(root, study)
    task = task_of(study, task)
    objectives = study.named_objectives or [task.objective]
    dataset = task.load(None if study.data_dir is None else Path(study.data_dir))
    data = Data.on(torch.device("cpu"), *dataset.all_rows)
    epochs, seed = study.task_options.epochs, study.search.seed
    rule = study.early_stopping.rule(epochs)
    rungs = Rungs(rule, objectives[0]) if rule else None
    database = TrialDatabase(open_storage(folder.journal, None), study.name, objectives, rungs.epochs if rungs else ())
    proposer = Proposer(study, database)
    plan = Plan(search_splits(dataset, study.task_options), epochs, root_key(seed, 0), study.early_stopping.patience)
    traces: Traces = {}
    for proposal in proposer.ask(study.trials if trials is None else trials):
        cohort = Cohort(task, data, plan, [(proposal.number, proposal.params)], traces)
        while cohort.live:
            values = {number: epoch.value for number, epoch in cohort.advance().items() if number in cohort.live}
            decisions = rungs.report(cohort.epoch, values) if rungs else {}
            cohort.stop([number for number, decision in decisions.items() if decision is Decision.STOP])
        for outcome in cohort.ended:
            proposer.tell(outcome)
    result = StudyResult(folder, task)
    if refit:
        _refit(result)
    return result


def _refit(result: StudyResult) -> None:
    study, task = result.study, result.task
    inputs, targets = result.dataset.all_rows
    split = refit_split(result.dataset, study.refit, study.task_options.split_seed)
    epochs = study.refit.epochs or study.task_options.epochs
    plan = Plan([split], epochs, root_key(study.search.seed, 1), keep_best=True)
    fitted = refitted(task, (inputs, targets), plan, result.best.params, range(study.refit.seeds))
    saved = {"task": study.task, "params": fitted.params, "states": fitted.states}
    write_best(result.dir, fitted.params, lambda path: torch.save(saved, path))
    pd.DataFrame(fitted.history).to_csv(result.dir.best_history, index=False)
    networks = networks_of(task, fitted.params, fitted.states)

    def measured(pair: Pair | None) -> dict[str, float]:
        if pair is None or not len(pair[0]):
            return {}
        rows = Data.on(torch.device("cpu"), *pair)
        return evaluate(task, networks, rows.inputs, rows.targets)

    held = inputs[split.validation], targets[split.validation]
    write_metrics(result.dir, measured(held), measured(result.dataset.read_test()))


def digits(trials: int = 5, epochs: int = 4) -> dict[str, Any]:
    """A search for a digits classifier; a learning rate of 1e-1 with sgd makes bad trials, ASHA stops them."""
    return {
        "name": "digits",
        "task": "digits",
        "task_options": {"epochs": epochs},
        "space": {
            **MLP,
            "width": {"low": 16, "high": 64, "step": 16},
            "batch_size": 128,
            "activation": ["relu", "tanh"],
        },
        "search": {"trials": trials, "seed": 0},
        "early_stopping": {"asha": {"grace_period": 1, "reduction_factor": 2}},
        "refit": {"seeds": 3, "validation": 0.2},
    }


def spirals(trials: int = 1, epochs: int = 2) -> dict[str, Any]:
    """One network for the spirals, nothing searched by default."""
    space = (
        {"lr": 0.01, "batch_size": 400} if trials == 1 else {**MLP, "batch_size": 100, "width": {"low": 10, "high": 40}}
    )
    return {
        "name": "spirals",
        "task": "spirals",
        "task_options": {"epochs": epochs},
        "space": space,
        "search": {"trials": trials, "seed": 0},
        "refit": {"seeds": 2},
    }


def regression(trials: int = 3, epochs: int = 4) -> dict[str, Any]:
    """A search on generated points, two folds, nothing held out in the refit."""
    return {
        "name": "regression",
        "task": "regression",
        "task_options": {"epochs": epochs, "folds": 2},
        "space": {**MLP, "batch_size": 25},
        "search": {"trials": trials, "seed": 0},
        "refit": {"seeds": 3},
    }
