"""Whole studies, as a user runs them by name: what they must reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.prepared import REFIT, prepare
from cluster.runner import run
from search_spaces.study.study import Study, shipped_studies
from tests.cluster.study_files import shipped_on
from tests.trainables.refits import refitted
from trainables.data.batches import Data
from trainables.data.folds import refit_split
from trainables.plan import Plan
from trainables.refit import evaluate, networks_of
from trainables.stack.rng import root_key

MANCINI = {"optimizer": "adam", "activation": "leaky_relu", "lr": 0.006, "l2": 0.0002}
"""What the first report chose for its refit; it names no batch size."""


@pytest.mark.parametrize("name", shipped_studies())
def test_every_shipped_study_is_ready_to_run(name: str, tiny_data: Path) -> None:
    assert prepare(shipped_on(tiny_data, name)).splits


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_digits_and_spirals(local_ray: None, tmp_path: Path) -> None:
    assert run(Study.load("digits"), out=tmp_path / "digits").refit.test["accuracy"] >= 0.97
    spirals = run(Study.load("spirals"), out=tmp_path / "spirals").refit
    assert spirals.test["accuracy"] >= 0.998 and spirals.validation["accuracy"] >= 0.998


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_regression_random_matches_the_report(local_ray: None, data_dir: Path, tmp_path: Path) -> None:
    study = Study.load("regression_random")
    found = run(study, out=tmp_path / "out", data=data_dir).refit
    prepared = prepare(study.model_copy(update={"data_dir": str(data_dir)}))
    split = refit_split(prepared.dataset, study.refit, 0)
    plan = Plan([split], 150, root_key(study.search.seed, REFIT), keep_best=True)
    params = {**MANCINI, "batch_size": found.params["batch_size"]}
    arrays = prepared.dataset.all_rows
    reported = refitted(prepared.task, arrays, plan, params, range(study.refit.seeds))
    test = prepared.dataset.read_test() or (np.empty(0), np.empty(0))
    rows = Data.on(torch.device("cpu"), *test)
    theirs = evaluate(prepared.task, networks_of(prepared.task, params, reported.states), rows.inputs, rows.targets)
    assert found.test["loss"] <= 1.25 * theirs["loss"]
    assert 0.1 < found.test["loss"] < 0.32
    assert found.test["loss_min"] < found.test["loss"] < found.test["loss_max"]
    assert found.test["loss_ensemble"] < found.test["loss_max"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_asha_finds_as_good_a_trial_in_fewer_epochs(local_ray: None, data_dir: Path, tmp_path: Path) -> None:
    asha = {"early_stopping.asha": {"grace_period": 10, "reduction_factor": 3}}
    full = run(Study.load("regression_random"), out=tmp_path / "full", data=data_dir)
    stopped = run(Study.load("regression_random", asha), out=tmp_path / "asha", data=data_dir)
    assert (stopped.trials.state == "PRUNED").sum() > 150
    assert stopped.trials.epochs.sum() < full.trials.epochs.sum() / 3
    assert stopped.best.value <= 1.1 * full.best.value
