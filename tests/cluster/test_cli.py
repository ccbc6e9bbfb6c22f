"""The command line: what a user's mistakes look like, and what the commands print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster import cli
from cluster.runner import run
from search_spaces.study.study import Study
from tests.cluster.study_files import write_own_task

STUDY = """
task: digits
task_options: {epochs: 2}
space:
  width: [4, 8]
  lr: {low: 1e-4, high: 1e-1, log: true}
search: {sampler: random, trials: 3, seed: 0}
resources: {engine: inline}
"""

MISTAKES = {
    "serach.trials=3": "error: study: unknown key 'serach'; did you mean 'search'?",
    "space.lr.hihg=3": "error: space.lr: unknown key 'hihg'; did you mean 'high'?",
    "space.widht=3": "error: space: unknown parameter 'widht'; did you mean 'width'?",
    "search.sampler=tpee": "error: search.sampler: unknown sampler 'tpee'; did you mean 'tpe'? (valid: cmaes, genetic, gp, grid",
    "task=digit": "error: task: unknown task 'digit'; did you mean 'digits'? (valid: colored_usps, digits, ",
    "task=nowhere:Task": "error: task: cannot import 'nowhere'",
    "space.lr.low=1": "error: space.lr: low must not exceed high, got low=1 and high=0.1",
    "space.lr.low=0": "error: space.lr: a log range must lie above 0, got low=0",
    "space.momentum={low: 0.1, high: 0.9, when: {width: 5}}": "error: space.momentum.when.width: must be one of 4, 8, got 5",
    "space={lr: 0.1}": "error: search.trials: a space with nothing to search has exactly one trial, got 3",
    "search.trials=0": "error: search.trials: must be a whole number from 1 to 10 000 000, got 0",
    "search.seed=x": "error: search.seed: must be a whole number from 0 to 4 294 967 295, got 'x'",
    "task_options.fold=2": "error: task_options: unknown key 'fold'; did you mean 'folds'?",
    "early_stopping.asha.grace_period=2": "error: early_stopping.asha.grace_period: must be below task_options.epochs (2)",
    "resources.gpu=-1": "error: resources.gpu: must be a number of at least 0, or auto, got -1",
    "nonsense": "error: --set: must be KEY=VALUE with a dotted key, got 'nonsense'",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(STUDY)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[object, str, str]:
    """Run the command line in this process; returns exit code, standard output, standard error."""
    monkeypatch.setattr("sys.argv", ["tunefleet", *words])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    output = capsys.readouterr()
    return exit_info.value.code, output.out, output.err


@pytest.mark.parametrize("setting", MISTAKES)
def test_a_mistake_in_a_study_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    code, out, err = call(capsys, monkeypatch, "run", "s.yaml", "--set", setting)
    assert (code, out) == (2, "")
    assert err.startswith(MISTAKES[setting]) and err.count("\n") == 1
    assert not (here / "results").exists()


def test_a_study_that_is_not_yaml(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (b"task: [", b"\xff\xfe\x00", b"", b"3", b"task: a\ntask: b", b"a: \tb: c"):
        (here / "bad.yaml").write_bytes(text)
        code, _, err = call(capsys, monkeypatch, "run", "bad.yaml")
        assert code == 2 and err.startswith("error: bad.yaml: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "nowhere"), "error: unknown study 'nowhere'; valid: colored_usps, digits, "),
        (("run", "nowhere.yaml"), "error: nowhere.yaml: cannot be read as a study file, No such file or directory"),
        (("run", "s.yaml", "--data", "nowhere"), "nowhere is no folder"),
        (("run", "regression_sgd", "--data", "."), "train_data.csv: this data file is missing"),
        (("run", "s.yaml", "--out", "s.yaml"), "error: s.yaml: cannot be written as the study's folder"),
        (("run", "s.yaml", "--out", "/proc/nowhere"), "cannot be written as the study's folder"),
        (
            ("run", "s.yaml", "--engine", "ray_tune", "--address", "127.0.0.1:9"),
            "error: 127.0.0.1:9: no Ray cluster answers there",
        ),
        (
            ("run", "s.yaml", "--address", "127.0.0.1:9"),
            "error: --address: resources.engine inline trains in this proc",
        ),
        (
            ("run", "s.yaml", "--engine", "inlin"),
            "error: resources.engine: unknown engine 'inlin'; did you mean 'inline'",
        ),
        (("resume", "nowhere"), "error: nowhere: holds no study"),
        (("show", "nowhere", "--json"), "error: nowhere: holds no study"),
        (("report", "nowhere"), "error: nowhere: holds no study"),
        (("tensorboard", "nowhere"), "error: nowhere: holds no study"),
    ],
)
def test_a_wrong_place_is_one_line(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    code, out, err = call(capsys, monkeypatch, *words)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def test_a_folder_with_a_study_loses_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "old").mkdir()
    (here / "old" / "study.yaml").write_text("kept")
    code, _, err = call(capsys, monkeypatch, "run", "s.yaml", "--out", "old")
    assert code == 2 and "go on with it by 'tunefleet resume old', or choose another folder with --out" in err
    assert (here / "old" / "study.yaml").read_text() == "kept"


def test_studies_lists_every_shipped_study(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call(capsys, monkeypatch, "studies")
    assert code == 0 and "regression_random (regression, 300 trials, sampler random)" in out


def test_run_and_show(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = call(
        capsys, monkeypatch, "run", "s.yaml", "--trials", "2", "--set", "refit.seeds=2", "--seed", "7"
    )
    assert (code, err) == (0, "")
    assert "[2/2] trial" in out and "test accuracy" in out and "compare:    tunefleet tensorboard results/s" in out
    code, out, _ = call(capsys, monkeypatch, "show", "results/s", "--json")
    shown = json.loads(out)
    assert code == 0 and shown["state"] == "finished" and len(shown["trials"]) == 2
    assert Study.load("results/s/study.yaml").search.seed == 7
    code, out, _ = call(capsys, monkeypatch, "show", "results/s")
    assert f"best trial {shown['best']['trial']}" in out


def test_all_trials_failed_is_exit_code_1(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own_task(here)
    (here / "f.yaml").write_text("task: line_task:Line\nspace: {mood: nan}\nresources: {engine: inline}\n")
    code, _, err = call(capsys, monkeypatch, "run", "f.yaml", "--out", "f")
    assert (
        code == 1 and "error: f: no trial has completed (trial 0 failed: the loss is not finite after epoch 1)" in err
    )
    assert (here / "f" / "report" / "index.html").exists()
    assert "study f: failed (1 fail)" in call(capsys, monkeypatch, "show", "f")[1]


def test_a_task_object_from_python(tmp_path: Path) -> None:
    from trainables.tasks.digits import Digits

    class Mine(Digits):
        """A class that no worker can import."""

    study = Study(task="Mine", space={"width": [4]}, task_options={"epochs": 1}, resources={"engine": "inline"})
    assert run(study, out=tmp_path / "mine", task=Mine()).refit.test["accuracy"] > 0
