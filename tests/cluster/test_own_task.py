"""A user's own task, and what goes wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.result import StudyResult
from cluster.runner import run
from search_spaces.errors import DataError, SearchFailed
from search_spaces.study.study import Study
from tests.cluster.study_files import write_own_task

STUDY = """
task: line_task:Line
task_options: {epochs: 3, folds: 2}
space:
  mood: [good, unbuildable, raise, memory, nan, crash]
  width: [4, 5]
search: {sampler: grid, seed: 0}
"""


@pytest.fixture(scope="module")
def result(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    folder = tmp_path_factory.mktemp("own")
    write_own_task(folder)
    (folder / "line.yaml").write_text(STUDY)
    return run(Study.load(folder / "line.yaml"), out=folder / "out")


def test_a_module_beside_the_study_file_is_found_and_reaches_the_workers(result: StudyResult) -> None:
    assert result.best.params["mood"] == "good"
    assert result.refit.test["loss"] > 0


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("unbuildable", "RuntimeError: no such network (line_task.py, line 27)"),
        ("raise", "RuntimeError: out of luck (line_task.py, line 44)"),
        ("memory", "OutOfMemoryError: CUDA out of memory. Tried to allocate 1 TiB (line_task.py, line 46)"),
        ("nan", "the loss is not finite after epoch 1"),
        ("crash", "the worker's process died twice: out of memory, or a crash in native code"),
    ],
)
def test_a_failing_trial_fails_alone_with_its_reason(result: StudyResult, mood: str, reason: str) -> None:
    table = result.trials
    assert set(table[table.params_mood == mood].state) == {"FAIL"}
    assert set(table[table.params_mood == mood].reason) == {reason}
    assert set(table[table.params_mood == "good"].state) == {"COMPLETE"}


@pytest.mark.slow
def test_the_search_never_reads_the_test_split(local_ray: None, tmp_path: Path) -> None:
    write_own_task(tmp_path)
    (tmp_path / "line.yaml").write_text(
        STUDY.replace("folds: 2", "folds: 2, with_test: false").replace("[good, ", "[good] #")
    )
    with pytest.raises(
        DataError, match=r"^test: cannot be read, ValueError: the test split is not there \(line_task.py, line"
    ):
        run(Study.load(tmp_path / "line.yaml"), out=tmp_path / "out")
    searched = StudyResult(tmp_path / "out")
    assert set(searched.trials.state) == {"COMPLETE"} and searched.dir.best_model.exists()
    assert searched.state == "interrupted"


def test_a_study_without_a_completed_trial_says_why(tmp_path: Path) -> None:
    write_own_task(tmp_path)
    (tmp_path / "line.yaml").write_text(STUDY.replace("[good, ", "[").replace(", crash", ""))
    with pytest.raises(SearchFailed, match="no trial has completed .trial 0 failed: RuntimeError: no such network"):
        run(Study.load(tmp_path / "line.yaml"), out=tmp_path / "out", engine="inline")
