"""The same study and seed twice gives the same trials and bit-equal values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.search_alone import search_alone
from cluster.prepared import prepare
from search_spaces.study.study import Study
from tests.cluster.study_files import digits_study

GRID = {"width": [8, 16], "lr": [0.01, 0.03], "dropout": [0.0, 0.2]}
STOPPING: dict[str, dict[str, Any]] = {
    "none": {},
    "asha": {"asha": {"grace_period": 1, "reduction_factor": 2}},
    "patience": {"patience": 1},
}


def _study(sampler: str, concurrency: int, stopping: str) -> Study:
    sections: dict[str, Any] = {"early_stopping": STOPPING[stopping], "task_options": {"epochs": 3, "folds": 2}}
    if sampler == "grid":
        sections["space"] = GRID
    search = {"sampler": sampler, "trials": 6, "concurrency": concurrency}
    return digits_study(search, **sections)


def _trials(study: Study, folder: Path, engine: str = "ray_tune") -> list[tuple[Any, ...]]:
    """The search alone, without the refit."""
    found = search_alone(prepare(study), folder, engine).trials()
    return [(t.number, t.state, t.params, t.value, t.intermediate_values) for t in found]


QUICK = {("random", "asha"), ("tpe", "none")}
CASES = [
    pytest.param(sampler, stopping, marks=[] if (sampler, stopping) in QUICK else pytest.mark.slow)
    for sampler in ("random", "grid", "tpe")
    for stopping in STOPPING
]


@pytest.mark.parametrize(("sampler", "stopping"), CASES)
def test_one_at_a_time(tmp_path: Path, sampler: str, stopping: str) -> None:
    study = _study(sampler, 1, stopping)
    assert _trials(study, tmp_path / "a", "inline") == _trials(study, tmp_path / "b", "inline")


@pytest.mark.parametrize("concurrency", [4, pytest.param(6, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sampler", ["random", pytest.param("grid", marks=pytest.mark.slow)])
def test_at_any_concurrency_and_on_both_engines(
    local_ray: None, tmp_path: Path, sampler: str, concurrency: int
) -> None:
    study = _study(sampler, concurrency, "none")
    assert _trials(study, tmp_path / "a") == _trials(study, tmp_path / "b", "inline")
