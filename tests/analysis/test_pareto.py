"""A study with two objectives, read back: its front, its figure, its report."""

from __future__ import annotations

import json

import pytest
from optuna.trial import TrialState, create_trial

from analysis.pareto import ParetoTrial, table
from analysis.plots.search import pareto
from analysis.plots.style import Missing
from analysis.report import write_report
from analysis.result import StudyResult
from search_spaces.trials.objectives import Objective
from tests.analysis.studies import digits, run_study
from tests.analysis.test_report import NETWORK, SEARCH, Page, drawn

TWO = [Objective("val_loss", "min"), Objective("parameters", "min")]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """Six small digit classifiers of several widths."""
    raw = {**digits(6, 2), "early_stopping": {}, "objectives": {"val_loss": "min", "parameters": "min"}}
    return run_study(tmp_path_factory.mktemp("pareto") / "digits", raw)


def test_the_front_is_optunas_and_the_best_comes_first(result: StudyResult) -> None:
    front = result.pareto
    assert sorted(t.number for t in front) == sorted(t.number for t in result.optuna_study.best_trials)
    assert front[0].number == result.best.number
    assert front[0].values == {"val_loss": result.best.value, "parameters": result.best.metrics["parameters"]}
    assert [t.values["val_loss"] for t in front] == sorted(t.values["val_loss"] for t in front)
    assert result.objectives == TWO


def test_summary_and_table_of_trials(result: StudyResult) -> None:
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["objectives"] == {"val_loss": "min", "parameters": "min"}
    assert summary["pareto"] == [{"trial": t.number, "params": t.params, "values": t.values} for t in result.pareto]
    for shown, t in zip(summary["trials"], result.frozen_trials, strict=True):
        assert (shown["value"], list(shown["values"].values())) == (t.values[0], t.values)
    assert result.trials["value"].tolist() == [t.values[0] for t in result.frozen_trials]
    assert result.trials["metrics_parameters"].tolist() == [t.values[1] for t in result.frozen_trials]


def test_the_report_has_the_front_and_all_other_figures(result: StudyResult) -> None:
    assert drawn(result) == SEARCH | NETWORK | {"confusion", "pareto"}
    page = Page(write_report(result))
    assert "The Pareto front" in page.text
    assert f"{len(result.pareto)} of 6 completed trials are on the front" in page.text
    assert {p.stem for p in page.pictures} == drawn(result)


def test_one_objective_has_no_front_to_show(digits_study: StudyResult) -> None:
    assert "pareto" not in drawn(digits_study)
    assert "pareto" not in digits_study.summary() and "Pareto" not in Page(write_report(digits_study)).text
    assert [t.number for t in digits_study.pareto] == [digits_study.best.number]


def test_a_study_of_which_no_trial_has_completed(result: StudyResult) -> None:
    failed = StudyResult(result.dir)
    failed.frozen_trials = [create_trial(state=TrialState.FAIL)]
    assert pareto.plot(failed) == Missing("no trial has completed")
    assert failed.pareto == []


def test_the_table_has_the_parameters_that_differ() -> None:
    front = [
        ParetoTrial(3, {"lr": 0.1, "width": 8, "kind": "a"}, {"val_loss": 0.5, "parameters": 850.0}),
        ParetoTrial(1, {"lr": 0.1, "width": 4, "kind": "b", "momentum": 0.9}, {"val_loss": 0.6, "parameters": 400.0}),
    ]
    heads, rows = table(front)
    assert heads == ["trial", "val_loss", "parameters", "width", "kind", "momentum"]
    assert rows == [[3, 0.5, 850, 8, "a", None], [1, 0.6, 400, 4, "b", 0.9]]
    assert table(front, most=1)[0] == heads[:4]
    assert table([]) == (["trial"], [])
