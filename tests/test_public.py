"""What users see of tunefleet: ``import tunefleet`` and ``python -m tunefleet``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import cluster.runner
import tunefleet
from search_spaces.errors import StudyError
from trainables.tasks.regression import Regression
from tunefleet.hidden import PACKAGES

ROOT = Path(__file__).parents[1]
NAMES = {"Dataset", "Study", "StudyResult", "Task", "networks", "resume", "run"}
SPACE = {"lr": {"low": 1e-3, "high": 1e-1, "log": True}}


def python(folder: Path, *words: str) -> tuple[int, str, str]:
    """Run Python in a folder, with this checkout on its path."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def example() -> str:
    """The README's script."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    return next(block for block in blocks if "class Sine" in block)


def test_the_names() -> None:
    assert set(tunefleet.__all__) == NAMES
    assert set(dir(tunefleet)) == NAMES | {"__version__"}
    assert all(getattr(tunefleet, name).__doc__ for name in NAMES)
    assert tunefleet.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    with pytest.raises(AttributeError, match="no attribute 'Studi'; it has Dataset, Study"):
        tunefleet.Studi  # noqa: B018


def test_the_layers() -> None:
    assert {"Augment", "Standardise", "mlp", "convolutions"} <= set(tunefleet.networks.__all__)
    assert all(hasattr(tunefleet.networks, name) for name in tunefleet.networks.__all__)


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> list[tunefleet.Study]:
    """Studies that were to be run, and are not."""
    asked: list[tunefleet.Study] = []
    monkeypatch.setattr(cluster.runner, "run", lambda study, **places: asked.append(study))
    return asked


def test_what_run_takes(studies: list[tunefleet.Study], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"task: regression\nspace: {SPACE}\nsearch: {{sampler: random, trials: 9}}\n")
    task = Regression()
    tunefleet.run(task, space=SPACE, trials=3, seed=5)
    tunefleet.run(task, name="mine", space=SPACE, search={"sampler": "tpe"}, trials=3, refit={"seeds": 2})
    tunefleet.run(tmp_path / "mine.yaml", seed=4, task_options={"epochs": 7})
    tunefleet.run("digits", trials=2)
    tunefleet.run(tunefleet.Study(task=task, space=SPACE, search={"trials": 8}))
    assert [(s.name, s.trials, s.search.sampler) for s in studies] == [
        ("Regression", 3, "random"),
        ("mine", 3, "tpe"),
        ("mine", 9, "random"),
        ("digits", 2, "optuna"),
        ("Regression", 8, "random"),
    ]
    assert [s.task_object is task for s in studies] == [True, True, False, False, True]
    assert (studies[0].search.seed, studies[2].search.seed) == (5, 4)
    assert (studies[1].refit.seeds, studies[2].task_options.epochs) == (2, 7)


@pytest.mark.parametrize(
    ("study", "sections", "message"),
    [
        (
            Regression(),
            {"trials": 3, "space": SPACE, "serach": {}},
            "study: unknown key 'serach'; did you mean 'search'?",
        ),
        (Regression, {"trials": 3, "space": SPACE}, "task: must be an object, Regression(), got the class itself"),
        ("digit", {}, "unknown study 'digit'; did you mean 'digits'?"),
        (tunefleet.Study(task="digits", space={"lr": 0.1}), {"seed": 3}, "seed: a Study has its sections already"),
    ],
)
def test_what_run_refuses(study: Any, sections: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        tunefleet.run(study, **sections)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_users_file_that_hides_a_package(package: str, tmp_path: Path) -> None:
    file = tmp_path / f"{package}.py"
    file.write_text("")
    line = f"{file} hides tunefleet's own package '{package}'; rename it, or run in another folder"
    (tmp_path / "tunefleet").write_text("from tunefleet.__main__ import main; main()")  # as pip installs it
    for command in (["-m", "tunefleet"], ["tunefleet"]):
        assert python(tmp_path, *command, "studies") == (2, "", f"error: {line}\n")
    code, _, complaint = python(tmp_path, "-c", "import tunefleet")
    assert (code, complaint.splitlines()[-1]) == (1, f"ImportError: {line}")


def test_a_users_folder_that_hides_a_package(tmp_path: Path) -> None:
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").touch()
    code, _, complaint = python(tmp_path, "-m", "tunefleet", "studies")
    assert (code, complaint.split(" hides ")[0]) == (2, f"error: {tmp_path / 'analysis' / '__init__.py'}")


def test_the_command_line(tmp_path: Path) -> None:
    code, said, _ = python(tmp_path, "-m", "tunefleet", "studies")
    assert code == 0 and said.startswith("colored_usps (")
    code, _, complaint = python(tmp_path, "-m", "tunefleet", "show", "nowhere")
    assert (code, complaint) == (2, "error: nowhere: holds no study (there is no study.yaml in it)\n")


def test_a_script_that_defines_its_task(tmp_path: Path) -> None:
    script = example()
    assert script.count("\n") <= 20
    (tmp_path / "sine.py").write_text(script)
    code, said, complaint = python(tmp_path, "sine.py")
    assert (code, said[:7], said[-10:]) == (0, "{'lr': ", " finished\n"), complaint
    study = (tmp_path / "results" / "Sine" / "study.yaml").read_text()
    assert study.startswith("name: Sine\ntask: __main__:Sine\n")
    for command in (["resume", "results/Sine", "--trials", "5"], ["report", "results/Sine"]):
        code, _, complaint = python(tmp_path, "-m", "tunefleet", *command)
        assert code == 2 and complaint.count("\n") == 1
        assert complaint.startswith("error: task: __main__:Sine was made by a script or a notebook")
        assert "tunefleet.resume(DIR, task=Sine())" in complaint
    assert python(tmp_path, "-m", "tunefleet", "show", "results/Sine")[0] == 0


def test_a_notebook_that_defines_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    imports, task, search = example().split("\n\n\n")
    cells = [imports, task, search, "tunefleet.resume('results/Sine', task=Sine(), trials=6).trials.number.tolist()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert notebook.cells[3].outputs[-1].data["text/plain"] == "[0, 1, 2, 3, 4, 5]"
