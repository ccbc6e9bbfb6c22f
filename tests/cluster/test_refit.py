"""The refit: where its seeds are trained, its cross-validation, and the test split, which is read once, at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import cluster.refit
from cluster.cli import app
from cluster.loop import Engine
from cluster.prepared import FOLDS, REFIT, prepare
from cluster.runner import resume, run
from search_spaces.errors import DataError
from search_spaces.study.study import Study
from tests.cluster.study_files import digits_study, shipped_on
from tests.trainables.refits import refitted, trained
from trainables.data.dataset import Dataset, Pair
from trainables.data.folds import k_folds, refit_split
from trainables.messages import Leg, Report
from trainables.plan import Plan
from trainables.refit import cross_validated_metrics, networks_of
from trainables.stack.rng import root_key
from trainables.tasks.digits import Digits


class Recorded(Digits):
    """Writes down who reads its test split, and when; may fail at it."""

    def __init__(self, log: Path, broken: bool = False) -> None:
        self.log = log
        self.broken = broken

    def load(self, data_dir: Path | None) -> Dataset:
        dataset = super().load(data_dir)

        def read() -> Pair | None:
            with self.log.open("a") as file:
                file.write(f"{os.getpid()} {datetime.now().isoformat()}\n")
            if self.broken:
                raise OSError("the disk is gone")
            return dataset.read_test()

        return Dataset(dataset.inputs, dataset.targets, test=read)


@pytest.mark.parametrize("track_test", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_test_split_is_read_once_after_the_last_trial(track_test: bool, tmp_path: Path) -> None:
    study = digits_study({"trials": 4}, refit={"seeds": 2, "epochs": 2, "track_test": track_test})
    result = run(study, out=tmp_path / "out", task=Recorded(tmp_path / "log"))
    ((process, when),) = (line.split() for line in (tmp_path / "log").read_text().splitlines())
    assert int(process) == os.getpid()
    assert set(result.trials.state) == {"COMPLETE"}
    assert max(t.datetime_complete for t in result.frozen_trials) <= datetime.fromisoformat(when)
    assert result.refit.test["accuracy"] > 0.1


def test_a_broken_test_split_costs_no_trial(tmp_path: Path) -> None:
    task = Recorded(tmp_path / "log", broken=True)
    study = digits_study({"trials": 4}, refit={"epochs": 2})
    with pytest.raises(
        DataError, match=r"^test: cannot be read, OSError: the disk is gone \(test_refit\.py, line \d+\)$"
    ):
        run(study, out=tmp_path / "out", task=task)
    assert (tmp_path / "log").read_text().count("\n") == 1
    task.broken = False
    result = resume(tmp_path / "out", task=task)
    assert set(result.trials.state) == {"COMPLETE"} and result.state == "finished"
    assert result.refit.test["accuracy"] > 0.1


@pytest.mark.slow
def test_cross_validation_of_the_chosen_configuration(tmp_path: Path) -> None:
    study = digits_study({"trials": 2}, refit={"epochs": 2, "folds": 3, "validation": 0.1, "subset": 600})
    result = run(study, out=tmp_path / "out")
    kfold = json.loads((tmp_path / "out" / "best" / "metrics.json").read_text())["kfold"]
    assert kfold == result.refit.kfold == result.summary()["refit"]["kfold"]
    prepared = prepare(study)
    split = refit_split(prepared.dataset, study.refit, 0)
    splits = k_folds(prepared.dataset, 3, 0, np.concatenate([split.train, split.validation]))
    plan = Plan(splits, study.task_options.epochs, root_key(study.search.seed, FOLDS))
    reports = trained(prepared.task, prepared.dataset.all_rows, plan, result.best.params, [0])
    assert kfold == pytest.approx(cross_validated_metrics(reports, result.best.params), rel=1e-4)
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "out")]).output
    for name, value in kfold.items():
        assert f"kfold {name} {value:.5g}" in shown


@pytest.mark.slow
def test_convolutional_seeds_are_spread_over_workers(
    local_ray: None, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []
    original = cluster.refit.train_legs

    def counted(engine: Engine, legs: Sequence[Leg], note: Callable[[Report], None]) -> list[Report]:
        parts.extend(len(leg.trials) for leg in legs)
        return original(engine, legs, note)

    monkeypatch.setattr(cluster.refit, "train_legs", counted)
    small: dict[str, Any] = {
        "resources.engine": "ray_tune",
        "space.filters_1": 2,
        "space.filters_2": 3,
        "refit.seeds": 3,
        "task_options.epochs": 1,
    }
    study: Study = shipped_on(tiny_data, "usps", "quick", small)
    result = run(study, out=tmp_path / "out")
    assert parts == [1, 1, 1]
    prepared = prepare(study)
    plan = Plan(
        [refit_split(prepared.dataset, study.refit, 0)],
        result.study.refit.epochs or 0,
        root_key(study.search.seed, REFIT),
        keep_best=True,
    )
    data = prepared.dataset.all_rows
    together = refitted(prepared.task, data, plan, result.best.params, range(3))
    for own, expected in zip(
        result.refit.networks, networks_of(prepared.task, result.best.params, together.states), strict=True
    ):
        for name, tensor in expected.state_dict().items():
            assert torch.allclose(own.state_dict()[name], tensor, rtol=1e-4, atol=1e-6), name
    assert result.history.train_loss.tolist() == pytest.approx([r["train_loss"] for r in together.history], rel=1e-4)
