"""The engine without Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cluster.runner import run
from search_spaces.errors import StudyError
from search_spaces.study.study import Study
from tests.cluster.study_files import digits_study

TASK = """
import numpy as np
import tunefleet
from torch import nn


class Line(tunefleet.Task):
    asked = 0

    def load(self, data_dir):
        x = np.linspace(-1, 1, 60)[:, None]
        return tunefleet.Dataset(x, 2 * x)

    def network(self, params):
        return nn.Linear(1, 1)

    def loss(self, outputs, targets):
        if len(targets) > 10 and not Line.asked:
            Line.asked = 1
            breakpoint()
        return (outputs - targets).square().squeeze(-1)
"""


def test_a_breakpoint_in_a_loss_gives_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "line.py").write_text(TASK)
    (tmp_path / "s.yaml").write_text("task: line:Line\nspace: {lr: [0.1, 0.2]}\nsearch: {sampler: grid}\n")
    command = [
        sys.executable,
        "-m",
        "tunefleet",
        "run",
        "s.yaml",
        "--engine",
        "inline",
        "--set",
        "task_options.epochs=2",
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        input="p len(targets) * 1000\nc\n",
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "(Pdb) 32000" in done.stdout and done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results" / "s" / "report" / "index.html").is_file()


def test_ray_is_neither_imported_nor_started(tmp_path: Path) -> None:
    code = f"""
import sys
import tunefleet
tunefleet.run("digits", trials=1, out={str(tmp_path / "out")!r}, engine="inline", task_options={{"epochs": 1}}, early_stopping="none", refit={{"epochs": 1}})
print(sorted(name for name in sys.modules if name.split(".")[0] == "ray"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr


def test_threads_are_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    resources = {"engine": "inline", "cpu": before + 1}
    run(digits_study({"trials": 1}, resources=resources, task_options={"epochs": 1}), out=tmp_path / "out")
    assert torch.get_num_threads() == before


def test_a_gpu_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(StudyError, match=r"^resources\.gpu: PyTorch sees no GPU on this machine, got 1\.0$"):
        run(digits_study(resources={"engine": "inline", "gpu": 1.0}), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pbt", [{"engine": "ray"}, {"explore": "pb2"}])
def test_what_needs_ray_is_refused(pbt: dict[str, str], tmp_path: Path) -> None:
    study = Study.load("digits_population", {f"search.pbt.{key}": value for key, value in pbt.items()})
    with pytest.raises(
        StudyError, match=r"^search\.pbt: engine ray and explore pb2 are Ray Tune's, and resources\.engine"
    ):
        run(study, out=tmp_path / "out", engine="inline")
    assert not (tmp_path / "out").exists()
