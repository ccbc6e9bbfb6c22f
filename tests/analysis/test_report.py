"""The report of real studies, whole and broken ones."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from analysis.plots.registry import figures
from analysis.plots.style import Drawn, Missing
from analysis.report import metrics_of, write_report
from analysis.result import StudyResult
from search_spaces.study.study import Study
from search_spaces.trials.study_dir import StudyDir
from tests.analysis.studies import regression, run_study, spirals
from trainables.data.dataset import Dataset
from trainables.task import Task

SEARCH = {"history", "curves", "importances", "slices"}
NETWORK = {"refit_curves", "weights"}


class Page(HTMLParser):
    """What a browser would see: text, pictures, tags; they must close in the order in which they open."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.pictures: list[Path] = []
        self._folder = path.parent
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(self._folder / (dict(attrs)["src"] or ""))
        elif tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def drawn(result: StudyResult) -> set[str]:
    return {entry.name for entry in figures(result) if isinstance(entry.drawn, Drawn)}


def left_out(result: StudyResult) -> dict[str, str]:
    return {entry.name: entry.drawn.reason for entry in figures(result) if isinstance(entry.drawn, Missing)}


def copy_of(result: StudyResult, root: Path) -> StudyResult:
    shutil.copytree(result.dir.root, root)
    return StudyResult(root)


def test_page_has_its_pictures_and_numbers(digits_study: StudyResult) -> None:
    path = write_report(digits_study)
    page = Page(path)
    assert path == digits_study.dir.report_page
    assert {p.name for p in page.pictures} == {p.name for p in digits_study.dir.figures.iterdir()}
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in page.pictures)
    test = digits_study.refit.test
    spread = "{accuracy_min:.4g} to {accuracy_max:.4g}; ensemble {accuracy_ensemble:.4g}".format(**test)
    for expected in (f"{digits_study.best.value:.4g}", spread, "5 of 5 trials ended", "finished", "PRUNED"):
        assert expected in page.text
    assert not re.search(r"(src|href)=\"?(https?:)?//", path.read_text())


def test_a_second_report_replaces_the_first(regression_study: StudyResult, tmp_path: Path) -> None:
    result = copy_of(regression_study, tmp_path / "study")
    write_report(result)
    result.dir.best_metrics.unlink()
    page = Page(write_report(StudyResult(result.dir)))
    assert {p.stem for p in result.dir.figures.iterdir()} == SEARCH == {p.stem for p in page.pictures}
    assert "the study has not been refitted" in page.text
    assert "tunefleet resume" in page.text


def test_study_without_trials(tmp_path: Path) -> None:
    result = StudyResult(StudyDir.create(tmp_path / "study", Study(**regression())))
    page = Page(write_report(result))
    assert "No trial has been proposed yet." in page.text
    assert page.pictures == []


def test_interrupted_study(tmp_path: Path) -> None:
    result = run_study(tmp_path / "study", regression(trials=3, epochs=1), trials=1, refit=False)
    page = Page(write_report(result))
    assert "1 of 3 trials ended" in page.text
    assert "interrupted" in page.text
    assert "importances need at least 2 completed trials, there are 1" in page.text


class Broken(Task):
    """Its network cannot be built, for a reason that tries to break the page."""

    def load(self, data_dir: Path | None) -> Dataset:
        return Dataset(np.zeros((8, 1)), np.zeros((8, 1)))

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        raise RuntimeError("<script>alert(1)</script> & more")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().squeeze(-1)


def test_study_whose_every_trial_failed(tmp_path: Path) -> None:
    result = run_study(tmp_path / "study", regression(trials=2), Broken(), refit=False)
    path = write_report(result)
    page = Page(path)
    assert "There is no best trial: none of 2 trials has completed (2 failed)." in page.text
    assert "RuntimeError: <script>alert(1)</script> & more" in page.text
    assert page.tags.count("script") == 1  # ours
    assert "failed" in page.text
    assert "tunefleet resume" not in page.text


def test_missing_data_leave_out_the_figures_that_need_them(regression_study: StudyResult, tmp_path: Path) -> None:
    result = copy_of(regression_study, tmp_path / "study")
    raw = {**regression(), "data_dir": str(tmp_path / "gone")}
    result.dir.write_text(result.dir.study_file, Study(**raw).to_yaml())
    result = StudyResult(result.dir)
    page = Page(write_report(result))
    assert {p.stem for p in page.pictures} == SEARCH | NETWORK
    assert "this data file is missing" in page.text


def test_unreadable_network_and_module_are_said_in_one_line(regression_study: StudyResult, tmp_path: Path) -> None:
    result = copy_of(regression_study, tmp_path / "study")
    result.dir.best_model.write_bytes(b"torn")
    result.dir.best_history.unlink()
    assert {"refit_curves", "weights", "data"} == set(left_out(result))
    raw = {**regression(), "task": "no_such_module:Task"}
    result.dir.write_text(result.dir.study_file, Study(**raw).to_yaml())
    page = Page(write_report(StudyResult(result.dir)))
    assert "cannot import 'no_such_module'" in page.text
    assert {p.stem for p in page.pictures} == SEARCH


def test_a_figure_that_fails_says_so_and_costs_no_other(
    regression_study: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(history: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("analysis.plots.refit.refit_curves.compute", fail)
    page = Page(write_report(regression_study))
    assert "this figure could not be drawn, ZeroDivisionError" in page.text
    assert {p.stem for p in page.pictures} >= SEARCH


class Plain(Task):
    """A user's own task: three classes in the plane, no test split."""

    def load(self, data_dir: Path | None) -> Dataset:
        rng = np.random.default_rng(0)
        labels = np.arange(60) % 3
        return Dataset(rng.normal(size=(60, 2)) + 3 * np.eye(3)[labels, :2], labels)

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        return nn.Linear(2, 3)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets, reduction="none")


def test_own_task_without_a_test_split(tmp_path: Path) -> None:
    raw = {**spirals(), "refit": {"seeds": 1}}
    result = run_study(tmp_path / "study", raw, Plain())
    assert drawn(result) == {"history", "curves"} | NETWORK | {"decision_map"}
    assert left_out(result)["confusion"] == "the task has no test split"
    assert "The task has no test split" in Page(write_report(result)).text


def test_names_and_choices_are_text_and_never_markup(tmp_path: Path) -> None:
    raw = {
        **spirals(),
        "space": {"lr": 0.01, "batch_size": 30, "kind": ['</td><script>alert("1")</script>', "'\"><img src=x>"]},
        "search": {"trials": 3},
    }
    page = Page(write_report(run_study(tmp_path / "study", raw, Plain())))
    assert '</td><script>alert("1")</script>, \'"><img src=x>' in page.text
    assert page.tags.count("script") == 1
    assert all(picture.is_file() for picture in page.pictures)


def test_metrics_are_grouped_and_names_may_look_derived() -> None:
    several = metrics_of({"loss": 1.0, "loss_min": 0.5, "loss_max": 2.0, "loss_ensemble": 0.4})
    assert [(m.name, m.median, m.low, m.high, m.ensemble) for m in several] == [("loss", 1.0, 0.5, 2.0, 0.4)]
    assert [m.name for m in metrics_of({"loss": 1.0, "error_max": 3.0})] == ["loss", "error_max"]


def test_analysis_needs_neither_ray_nor_pyplot() -> None:
    code = (
        "import sys, analysis.report; print([m for m in ('ray', 'cluster', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
