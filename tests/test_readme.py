"""The README tells the truth: its example runs, its commands and its pictures exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

import tunefleet
from cluster.cli import app
from trainables.recipe import check_params
from trainables.tasks import make_task

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_of_a_task_runs(tmp_path: Path) -> None:
    module = next(b for b in blocks("python") if b.startswith("# wave.py"))
    assert module.count("\n") <= 26
    (tmp_path / "wave.py").write_text(module)
    (tmp_path / "wave.yaml").write_text(next(b for b in blocks("yaml") if b.startswith("# wave.yaml")))
    result = tunefleet.run(tmp_path / "wave.yaml", out=tmp_path / "out", engine="inline")
    assert set(result.trials.state) <= {"COMPLETE"}
    assert result.refit.test["loss"] < 0.1  # the noise alone is 0.01, the mean 0.5


def test_the_study_file_that_is_explained_is_valid(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(next(b for b in blocks("yaml") if b.startswith("# mine.yaml")))
    study = tunefleet.Study.load(tmp_path / "mine.yaml")
    check_params(study.refit.params, make_task(study.task, {}), "refit.params")
    assert study.trials == 100 and study.early_stopping.patience == 30
    assert tunefleet.Study.load(tmp_path / "mine.yaml", profile="quick").trials == 8


def test_every_command_exists() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    used = set(re.findall(r"^(?:\$ )?tunefleet (\w+)", "\n".join(blocks("sh")), flags=re.MULTILINE))
    used |= set(re.findall(r"`tunefleet (\w+)", README))
    assert used and used <= set(commands)
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"^make ([\w-]+)", "\n".join(blocks("sh")), flags=re.MULTILINE)) <= targets


@pytest.mark.parametrize("picture", re.findall(r"!\[.*?\]\((.*?)\)", README))
def test_every_picture_exists(picture: str) -> None:
    assert (ROOT / picture).stat().st_size > 1000
