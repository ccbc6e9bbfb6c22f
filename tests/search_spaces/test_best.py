"""The files that the refit leaves."""

from __future__ import annotations

from pathlib import Path

from search_spaces.study.yaml_file import parse_yaml
from search_spaces.trials.best import read_metrics, write_best, write_metrics
from search_spaces.trials.study_dir import StudyDir


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    folder = StudyDir(tmp_path)
    assert read_metrics(folder) is None
    write_metrics(folder, {"loss": 0.5}, {})
    assert read_metrics(folder) == {"validation": {"loss": 0.5}, "test": {}, "kfold": {}}


def test_the_networks_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = StudyDir(tmp_path)
    write_best(folder, {"lr": 0.1}, lambda path: path.write_bytes(b"networks"))
    assert folder.best_model.read_bytes() == b"networks"
    assert parse_yaml(folder.best_params.read_text(), "params") == {"lr": 0.1}
    assert {path.name for path in folder.best.iterdir()} == {"model.pt", "params.yaml"}
