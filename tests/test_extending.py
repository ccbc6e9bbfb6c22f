"""One more of each kind, in a package of its own: one file, and one entry elsewhere."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic.fields import FieldInfo

import tunefleet
from analysis.plots import registry
from analysis.plots.registry import Plot
from analysis.result import StudyResult
from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.study.sections import ENGINES, EarlyStopping
from search_spaces.study.study import Study
from tests.cluster.study_files import digits_study
from trainables.stack.optimizers import OPTIMIZERS
from trainables.tasks import TASKS

FILES = {
    "task": '''
import numpy as np

from trainables.data.dataset import Dataset
from trainables.layers.networks import mlp
from trainables.task import Task


class Line(Task):
    """Fit y = 2x."""

    defaults = {"width": 4}

    def load(self, data_dir):
        x = np.linspace(-1, 1, 40)[:, None]
        return Dataset(x, 2 * x)

    def network(self, params):
        return mlp([1, params["width"], 1], "tanh")

    def loss(self, outputs, targets):
        return (outputs - targets).square().mean(dim=1)
''',
    "sampler": '''
from optuna.samplers import BruteForceSampler

from search_spaces.choosing.sampler import Sampler, draw_seed


class Brute(Sampler):
    """Every combination of choices."""

    def draws(self, space, seed):
        return lambda number: BruteForceSampler(seed=draw_seed(seed, number))
''',
    "stopping": '''
from typing import ClassVar

from search_spaces.choosing.rungs import Rule
from search_spaces.choosing.stopping import Stopping


class Halfway(Stopping):
    """All but the best third end after the grace period."""

    spacing: ClassVar[str] = "grace_period"

    def rule(self, epochs):
        return Rule((self.grace_period,), percentile=67)
''',
    "optimizer": """
from trainables.stack.optimizers import Optimizer


def _signed(rows, grad):
    rows.theta.addcmul_(rows.decayed(grad).sign(), -rows.lr)


SIGNED = Optimizer(_signed, slots=0, uses=())
""",
    "figure": """
from analysis.plots.style import Drawn, new_figure


def plot(search):
    figure = new_figure()
    figure.add_subplot().plot([t.number for t in search.trials])
    return Drawn(figure, f"Numbers of {len(search.trials)} trials.")
""",
    "engine": '''
from contextlib import contextmanager

import torch

from cluster.place import Place
from trainables.worker import Worker

TRAINED = []


class Two:
    """Two workers, in this process."""

    workers = 2

    def __init__(self, job):
        self._free = [Worker(job, torch.device("cpu")) for _ in range(2)]
        self._busy = []

    def start(self, leg):
        worker = self._free.pop()
        worker.begin(leg)
        TRAINED.append(leg.cohort)
        self._busy.append(worker)

    def wait(self):
        worker = self._busy.pop(0)
        report = worker.step()
        (self._free if report.done else self._busy).append(worker)
        return [report]


@contextmanager
def opened(job, most):
    yield Two(job)


@contextmanager
def place(task, resources, scratch, address, say):
    yield Place(2, torch.device("cpu"), "two workers", opened)
''',
}


@pytest.fixture
def extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """A package with one new file of each kind, imported."""
    package = tmp_path / "extras_of_a_test"
    package.mkdir()
    for name, text in {"__init__": "", **FILES}.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield {name: importlib.import_module(f"{package.name}.{name}") for name in FILES}
    for name in [n for n in sys.modules if n.partition(".")[0] == package.name]:
        del sys.modules[name]


def run(tmp_path: Path, search: dict[str, Any] | None = None, **sections: Any) -> StudyResult:
    return tunefleet.run(digits_study({"trials": 4, **(search or {})}, **sections), out=tmp_path / "out")


def test_a_task(extras: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "line", extras["task"].Line)
    result = run(tmp_path, task="line")
    assert result.state == "finished" and result.study.task == "line"


@pytest.mark.filterwarnings("ignore:BruteForceSampler is experimental")
def test_a_sampler(extras: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "brute", extras["sampler"].Brute)
    choices = {"width": [4, 8], "lr": [0.1, 0.01]}
    result = run(tmp_path, {"sampler": "brute"}, space=choices)
    assert len(set(zip(result.trials.params_width, result.trials.params_lr, strict=True))) == 4


@pytest.fixture
def halfway(extras: dict[str, ModuleType]) -> Iterator[None]:
    """What ``halfway: Halfway | None = None`` among the fields of ``EarlyStopping`` does."""
    field = FieldInfo.from_annotated_attribute(extras["stopping"].Halfway | None, None)
    EarlyStopping.model_fields["halfway"] = field
    rebuild()
    yield
    del EarlyStopping.model_fields["halfway"]
    rebuild()


def rebuild() -> None:
    EarlyStopping.model_rebuild(force=True)
    Study.model_rebuild(force=True)


def test_a_stopping_rule(halfway: None, tmp_path: Path) -> None:
    result = run(tmp_path, {"trials": 6}, early_stopping={"halfway": {"grace_period": 2}})
    pruned = result.trials[result.trials.state == "PRUNED"]
    assert len(pruned) and set(pruned.epochs) == {2}


def test_an_optimizer(extras: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIMIZERS, "signed", extras["optimizer"].SIGNED)
    result = run(tmp_path, space={"optimizer": ["signed", "sgd"], "lr": [0.001, 0.01]})
    assert "signed" in set(result.trials.params_optimizer) and set(result.trials.state) == {"COMPLETE"}


def test_a_figure(extras: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Plot[Any] = Plot("numbers", "Numbers", "search", extras["figure"].plot)
    monkeypatch.setattr(registry, "SEARCH", (*registry.SEARCH, one))
    result = run(tmp_path)
    assert (result.dir.figures / "numbers.png").is_file()
    assert "Numbers of 4 trials." in result.dir.report_page.read_text()


def test_an_engine(extras: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "two", extras["engine"].__name__)
    result = run(tmp_path, resources={"engine": "two"})
    assert set(result.trials.state) == {"COMPLETE"} and extras["engine"].TRAINED
