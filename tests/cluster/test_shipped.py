"""Every shipped study runs from end to end, at its quick profile and on a little data."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cluster.runner import run
from search_spaces.study.study import shipped_studies
from tests.cluster.study_files import shipped_on

QUICK = {"usps", "digits_population"}
"""A study of one trial, and a population."""


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in shipped_studies()]
)
def test_a_shipped_study_runs(name: str, tiny_data: Path, tmp_path: Path) -> None:
    few = {"task_options.epochs": 10, "refit.epochs": 10} if name.startswith("regression") else {}
    study = shipped_on(tiny_data, name, "quick", few)
    result = run(study, out=tmp_path / "out")
    assert result.state == "finished"
    assert len(result.trials) == study.trials
    assert set(result.trials.state) <= {"COMPLETE", "PRUNED", "FAIL"}
    assert (
        result.trials.reason.dropna().str.startswith("the loss is not finite").all()
    )  # a high learning rate may do so
    assert math.isfinite(result.refit.test["loss"])
    assert len(result.refit.networks) == study.refit.seeds
    assert bool(result.refit.kfold) == (study.refit.folds is not None)
    assert result.dir.report_page.is_file()
