"""A study with two objectives from its first trial to its report, through Ray."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from analysis.result import StudyResult
from cluster import cli
from cluster.runner import resume, run
from search_spaces.errors import StudyError
from tests.analysis.studies import run_study
from tests.cluster.study_files import digits_study

WIDTHS = {"width": [4, 8, 16, 32], "lr": 0.01}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    study = digits_study(
        {"sampler": "grid", "trials": 4}, space=WIDTHS, objectives={"val_loss": "min", "parameters": "min"}
    )
    return run(study, out=tmp_path_factory.mktemp("objectives") / "small")


def test_wider_networks_are_better_and_larger(finished: StudyResult) -> None:
    sizes = {t.params["width"]: t.values["parameters"] for t in finished.pareto}
    assert sizes == {width: 64 * width + width + 10 * width + 10 for width in WIDTHS["width"]}  # type: ignore[attr-defined]
    assert finished.best.params["width"] == 32
    assert finished.refit.params["width"] == 32
    assert sorted(t.number for t in finished.pareto) == sorted(t.number for t in finished.optuna_study.best_trials)


def test_optuna_and_tensorboard_have_both(finished: StudyResult) -> None:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(finished.dir.journal)))
    study = optuna.load_study(study_name="small", storage=storage)
    assert study.metric_names == ["val_loss", "parameters"]
    for t in study.trials:
        assert t.values == [t.user_attrs["loss"], t.user_attrs["parameters"]]
        events = EventAccumulator(str(finished.dir.tensorboard / str(t.number))).Reload()
        for name, value in zip(("value", "val_loss", "parameters"), (t.values[0], *t.values), strict=True):
            assert events.Scalars(f"hparam/{name}")[-1].value == pytest.approx(value)


def test_show_prints_the_front(
    finished: StudyResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {}
    for words in ((), ("--json",)):
        monkeypatch.setattr("sys.argv", ["tunefleet", "show", str(finished.dir.root), *words])
        with pytest.raises(SystemExit):
            cli.main()
        shown[words] = capsys.readouterr().out
    lines = shown[()].split("Pareto front: 4 trials, no other beats any of them\n")[1].splitlines()
    assert lines[0].split() == ["trial", "val_loss", "parameters", "width"]
    assert [line.split()[2:] for line in lines[1:5]] == [[str(75 * w + 10), str(w)] for w in (32, 16, 8, 4)]
    assert [t["trial"] for t in json.loads(shown["--json",])["pareto"]] == [t.number for t in finished.pareto]
    assert (finished.dir.figures / "pareto.png").is_file()


def test_a_finished_study_opens_again(finished: StudyResult) -> None:
    assert resume(finished.dir.root).summary() == finished.summary()


@pytest.mark.slow
def test_an_interrupted_study_goes_on(tmp_path: Path) -> None:
    study = digits_study(
        {"sampler": "grid", "trials": 4},
        space=WIDTHS,
        objectives={"val_accuracy": "max", "parameters": "min"},
        task_options={"epochs": 1},
    )
    before = run_study(tmp_path / "small", study.model_dump(exclude_none=True), trials=2, refit=False)
    kept = [t.values for t in before.frozen_trials]
    result = resume(tmp_path / "small")
    assert result.state == "finished" and len(kept) == 2
    assert [t.values for t in result.frozen_trials[:2]] == kept
    assert [t.values[1] for t in result.frozen_trials] == [310, 610, 1210, 2410]
    assert result.best.value == max(t.values[0] for t in result.frozen_trials)


def test_unknown_objectives_leave_nothing(tmp_path: Path) -> None:
    study = digits_study(objectives={"val_acuracy": "max"})
    with pytest.raises(
        StudyError, match=r"^objectives: unknown objective 'val_acuracy'; did you mean 'val_accuracy'\?"
    ):
        run(study, out=tmp_path / "x")
    assert not (tmp_path / "x").exists()
