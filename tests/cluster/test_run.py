"""A study from its first trial to its report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from sklearn.datasets import load_digits
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from analysis.result import StudyResult
from cluster.runner import resume, run
from search_spaces.errors import OutputError
from tests.cluster.study_files import ON_RAY, SPACE, digits_study


@pytest.fixture(scope="module")
def finished(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    study = digits_study(
        {"trials": 8}, refit={"seeds": 3}, early_stopping={"asha": {"grace_period": 2}}, resources=ON_RAY
    )
    return run(study, out=tmp_path_factory.mktemp("run") / "small")


def test_every_name_of_the_layout_is_there(finished: StudyResult) -> None:
    names = [
        "study.yaml",
        "trials.journal",
        "tensorboard/0",
        "tensorboard/refit",
        "best/params.yaml",
        "best/model.pt",
        "best/history.csv",
        "best/metrics.json",
        "report/index.html",
        "report/figures",
        "checkpoints",
        "ray",
    ]
    assert [name for name in names if not (finished.dir.root / name).exists()] == []


def test_summary_is_plain_json(finished: StudyResult) -> None:
    summary = json.loads(json.dumps(finished.summary(), allow_nan=False))
    assert set(summary) == {"study", "state", "ended_by", "best", "refit", "trials"}
    assert summary["state"] == "finished"
    assert set(summary["best"]) == {"trial", "params", "value"}
    assert summary["refit"]["validation"] == {} and 0 < summary["refit"]["test"]["accuracy"] <= 1
    assert [set(t) for t in summary["trials"]] == [{"number", "state", "value", "params", "epochs"}] * 8


def test_best_is_the_least_value_of_the_completed_trials(finished: StudyResult) -> None:
    table = finished.trials
    completed = table[table.state == "COMPLETE"]
    assert finished.best.value == completed.value.min()
    assert finished.best.number == completed.number[completed.value.idxmin()]


def test_optuna_reads_the_trials(finished: StudyResult) -> None:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(finished.dir.journal)))
    study = optuna.load_study(study_name="small", storage=storage)
    assert study.best_trial.number == finished.best.number
    for trial in study.trials:
        assert trial.intermediate_values and trial.user_attrs["epochs"] == max(trial.intermediate_values)


def test_hparams_hold_every_parameter_of_every_trial(finished: StudyResult) -> None:
    experiment = _plugin_data(finished.dir.tensorboard, metadata.EXPERIMENT_TAG).experiment
    assert {info.name for info in experiment.hparam_infos} == set(SPACE)
    for trial in finished.frozen_trials:
        run_dir = finished.dir.tensorboard / str(trial.number)
        logged = _plugin_data(run_dir, metadata.SESSION_START_INFO_TAG).session_start_info.hparams
        found = {name: getattr(value, value.WhichOneof("kind")) for name, value in logged.items()}
        assert found == trial.params


def test_tensorboard_curves_are_those_of_the_database(finished: StudyResult) -> None:
    for trial in finished.frozen_trials:
        events = EventAccumulator(str(finished.dir.tensorboard / str(trial.number))).Reload()
        curve = {event.step: event.value for event in events.Scalars("loss/validation")}
        assert curve == pytest.approx(trial.intermediate_values)


def test_refitted_network_predicts_what_its_metrics_say(finished: StudyResult) -> None:
    images, labels = finished.dataset.read_test() or (np.empty(0), np.empty(0))
    accuracy = (finished.refit.predict(images).argmax(axis=1) == labels).mean()
    assert accuracy == pytest.approx(finished.refit.test["accuracy_ensemble"])
    assert len(finished.refit.networks) == 3 and isinstance(finished.refit.network, torch.nn.Module)
    assert finished.refit.predict(load_digits().data / 16).shape == (1797, 10)


def test_a_finished_study_is_neither_run_over_nor_changed_by_resume(finished: StudyResult) -> None:
    before = finished.dir.journal.read_bytes()
    with pytest.raises(OutputError, match="already holds a study"):
        run(digits_study(), out=finished.dir.root)
    assert resume(finished.dir.root).summary() == finished.summary()
    assert finished.dir.journal.read_bytes() == before


def test_what_cannot_begin_leaves_nothing(local_ray: None, tmp_path: Path) -> None:
    from search_spaces.errors import StudyError

    with pytest.raises(StudyError, match="resources: a worker needs 999 CPUs"):
        run(digits_study(resources={"cpu": 999}), out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_database_never_mixes_two_studies_of_one_name(tmp_path: Path) -> None:
    study = digits_study({"trials": 2}, database=f"sqlite:///{tmp_path / 'all.db'}", task_options={"epochs": 1})
    before = run(study, out=tmp_path / "a").summary()
    with pytest.raises(OutputError, match="already holds trials of a study named 'small'; give this one another name"):
        run(study, out=tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert StudyResult(tmp_path / "a").summary() == resume(tmp_path / "a").summary() == before


def _plugin_data(folder: Path, tag: str) -> plugin_data_pb2.HParamsPluginData:
    content = EventAccumulator(str(folder)).Reload().SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)
