"""The contract of every shipped task, and the errors of tasks that users bring."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces.errors import DataError, TaskError, TunefleetError
from search_spaces.study.sections import TaskOptions
from search_spaces.study.study import Study
from search_spaces.study.yaml_file import parse_yaml
from tests.trainables.builders import CPU, make, members
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.folds import search_splits
from trainables.layers.networks import ChannelsLast
from trainables.layers.standardise import fit_layers
from trainables.plan import Plan
from trainables.recipe import Recipe
from trainables.stack.fused import Fused
from trainables.stack.loop import Loop
from trainables.tasks import TASKS, make_task, task_of
from trainables.tasks.regression import Regression
from trainables.tasks.user_tasks import user_module

EVERY_TASK = pytest.mark.parametrize("name", TASKS)
FILTERS = {"filters_1": 3, "filters_2": 4, "width_1": 16}
SMALL = {
    "colored_usps": {"shared_filters": 4, "digit_filters": 6},
    **dict.fromkeys(("usps", "mnist", "fashion_mnist"), FILTERS),
}
"""What makes the networks of some tasks small enough for a test."""
CONVOLUTIONAL = set(SMALL)
DENSE = {"network": "dense", "width_1": 16}
TEST_FILES = {
    "regression": "regression/test_data.csv",
    "usps": "USPS/usps.t.bz2",
    "colored_usps": "USPS/usps.t.bz2",
    "mnist": "MNIST/raw/t10k-labels-idx1-ubyte",
    "fashion_mnist": "FashionMNIST/raw/t10k-labels-idx1-ubyte",
}


@EVERY_TASK
def test_data_and_networks_fit(name: str, tiny_data: Path) -> None:
    task = make_task(name, {})
    dataset = task.load(tiny_data)
    x, y = (torch.from_numpy(a[:5]) for a in (dataset.inputs, dataset.targets))
    outputs = task.network(task.defaults).eval()(x)
    values = {"loss": task.loss(outputs, y), **task.metrics(outputs, y)}
    assert all(v.shape == (5,) and v.isfinite().all() for v in values.values())
    assert task.metric in values
    assert set(task.roots) <= set(values)
    test = dataset.read_test()
    assert test is not None
    assert not np.array_equal(test[0][:20], dataset.inputs[:20])


@EVERY_TASK
def test_loading_again_gives_the_same_rows(name: str, tiny_data: Path) -> None:
    first, second = (make_task(name, {}).load(tiny_data) for _ in range(2))
    for a, b in ((first.all_rows, second.all_rows), (first.read_test(), second.read_test())):
        assert all(map(np.array_equal, a, b))


@pytest.mark.parametrize("name", TEST_FILES)
def test_the_test_file_is_read_only_when_asked_for(name: str, tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path, dirs_exist_ok=True)
    (tmp_path / TEST_FILES[name]).write_bytes(b"?")
    dataset = make_task(name, {}).load(tmp_path)
    with pytest.raises(DataError, match=Path(TEST_FILES[name]).name):
        dataset.read_test()


@EVERY_TASK
def test_training_lowers_the_loss(name: str, tiny_data: Path) -> None:
    task = make_task(name, {})
    dataset = task.load(tiny_data)
    data = Data.on(CPU, *dataset.all_rows)
    plan = Plan(search_splits(dataset, TaskOptions()), epochs=3, key=0)
    one = Cohort(task, data, plan, [(i, {"lr": lr, **SMALL.get(name, {})}) for i, lr in enumerate((0.003, 0.005))])
    losses = [[e.metrics["loss"] for e in one.advance().values()] for _ in range(3)]
    assert one.why_loop == ("Conv2d on a CPU is faster alone" if name in CONVOLUTIONAL else None)
    assert losses[2][0] < losses[0][0]
    assert losses[2][1] < losses[0][1]


@pytest.mark.parametrize(
    ("name", "options", "params"),
    [
        *((name, {}, SMALL.get(name, {})) for name in TASKS),
        *((name, {}, DENSE) for name in ("usps", "mnist", "fashion_mnist")),
        ("mnist", {}, {**FILTERS, "conv_dropout": 0.3, "padding": "same", "pooling": "last", "activation": "silu"}),
        ("colored_usps", {}, {"shared_filters": 0, "digit_filters": 0, "hidden": 8}),
        ("house_prices", {"likelihood": "gaussian"}, {"layers": 2}),
    ],
)
def test_fused_and_loop_agree(
    name: str, options: dict[str, Any], params: dict[str, Any], tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChannelsLast, "forward", lambda self, x: x)  # as on a GPU
    task = make_task(name, options)
    dataset = task.load(tiny_data)
    x, y = torch.from_numpy(dataset.inputs[:24]), torch.from_numpy(dataset.targets[:24])
    networks = members(task, 2, rates=(0.1, 0.5), **params)
    for network, rows in zip(networks, (slice(16), slice(8, 24)), strict=True):
        fit_layers(network, x[rows], y[rows])
    x, y = (torch.stack([t, t]).double() if t.is_floating_point() else torch.stack([t, t]) for t in (x, y))
    shares, keys = torch.full((2, 24), 1 / 24, dtype=torch.float64), torch.tensor([1, 2])
    stacks = [make(kind, task, networks, [Recipe(lr=0.01)] * 2, 1) for kind in (Fused, Loop)]
    for stack in stacks:
        for _ in range(10):
            stack.step(x, y, shares, keys)
    assert not stacks[1].strategy.errors
    assert torch.allclose(stacks[0].members.theta, stacks[1].members.theta, rtol=1e-10, atol=1e-12)
    (a, b) = (stack.strategy.evaluate(x, y, shares) for stack in stacks)
    assert a.keys() == b.keys()
    assert all(torch.allclose(a[k], b[k].to(a[k])) for k in a)


@EVERY_TASK
def test_unknown_options_are_refused_by_name(name: str) -> None:
    with pytest.raises(TaskError, match="^task_options: unknown key 'epoch'; did you mean 'epochs'"):
        make_task(name, {"epoch": 3})


def test_unknown_tasks_and_bad_values_are_refused() -> None:
    with pytest.raises(TaskError, match="unknown task 'digit'; did you mean 'digits'"):
        make_task("digit", {})
    with pytest.raises(TaskError, match=r"^task_options\.noise: must be a number of at least 0, got -1$"):
        make_task("spirals", {"noise": -1})
    with pytest.raises(TaskError, match=r"^task_options\.noise: must be a number of at least 0, got 'loud'$"):
        make_task("spirals", {"noise": "loud"})


OWN = """
import numpy as np
from torch import nn
from tunefleet import Dataset, Task

class Half(Task):
    def load(self, data_dir):
        return Dataset(np.zeros((3, 1)), np.zeros((3, 1)))
    def network(self, params):
        return nn.Linear(1, 1)

class Whole(Half):
    def __init__(self, size=1):
        self.size = size + 0
    def loss(self, outputs, targets):
        return (outputs - targets).square().squeeze(-1)
"""


def own_module(folder: Path, name: str, text: str = OWN) -> str:
    """Write a module beside a study file."""
    (folder / f"{name}.py").write_text(text)
    return str(folder)


def test_a_users_own_task(tmp_path: Path) -> None:
    folder = own_module(tmp_path, "own_whole")
    assert make_task("own_whole:Whole", {}, folder).size == 1
    task = make_task("own_whole:Whole", {"size": 3}, folder)
    assert vars(task) == {"size": 3}
    with pytest.raises(TaskError, match="^task_options: own_whole:Whole cannot be made from .*TypeError"):
        make_task("own_whole:Whole", {"size": "large"}, folder)
    assert user_module(task).__file__ == str(tmp_path / "own_whole.py")
    assert user_module(make_task("digits", {})) is None


def test_modules_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for size in (1, 2):
        folder = tmp_path / str(size)
        folder.mkdir()
        own_module(folder, "own_twin", OWN.replace("size=1", f"size={size}"))
        assert make_task("own_twin:Whole", {}, str(folder)).size == size


def test_a_module_named_as_one_of_pythons(tmp_path: Path) -> None:
    folder = own_module(tmp_path, "wave")
    assert type(make_task("wave:Whole", {}, folder)).__name__ == "Whole"
    import wave

    assert wave.Wave_read  # Python's own is not replaced
    with pytest.raises(TaskError) as error:
        make_task("wave:Whole", {}, str(tmp_path / "gone"))
    assert str(error.value) == (
        f"task: unknown Task in wave 'Whole'; valid: none; it comes from {wave.__file__}, "
        f"for there is none in {tmp_path / 'gone'} (the study's module_dir)"
    )


@pytest.mark.parametrize("init", [True, False])
def test_a_module_in_a_package(init: bool, tmp_path: Path) -> None:
    package = tmp_path / "json"
    package.mkdir()
    (package / "base.py").write_text("SIZE = 4")
    own_module(package, "tasks", OWN.replace("class Half", "from .base import SIZE\nclass Half").replace("=1", "=SIZE"))
    if init:
        (package / "__init__.py").touch()
    task = make_task("json.tasks:Whole", {}, str(tmp_path))
    assert task.size == 4
    assert user_module(task).__path__ == [str(package)]  # with it base.py reaches the workers, too
    study = Study(task=task, space={"lr": 0.1})
    assert (study.name, study.task, study.module_dir) == ("Whole", "json.tasks:Whole(...)", str(tmp_path))


def test_a_task_object_in_place_of_a_name(tmp_path: Path) -> None:
    task = make_task("own_object:Whole", {"size": 3}, own_module(tmp_path, "own_object"))
    study = Study(task=task, space={"lr": 0.1})
    assert task_of(study) is task
    assert task_of(study.model_copy(update={"data_dir": "here"})) is task
    again = Study(**parse_yaml(study.to_yaml(), "study.yaml"))
    with pytest.raises(
        TaskError, match=r"^task: own_object:Whole\(\.\.\.\) was made by .*resume\(DIR, task=Whole\(\.\.\.\)\)"
    ):
        task_of(again)
    assert task_of(again, task) is task


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (Regression, {}, "task: must be an object, Regression(), got the class itself"),
        (Regression(), {"size": 3}, "task_options.size: the task is an object, so give it this where it is made"),
        (Path("task"), {}, "task: must be a Task, got PosixPath"),
        (3, {}, "task: must be a non-empty text, got 3"),
    ],
)
def test_what_is_no_task_object(task: object, options: dict[str, int], message: str) -> None:
    with pytest.raises(TunefleetError) as error:
        task_of(Study(task=task, task_options=options, space={"lr": 0.1}))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_errors:Hole", "task: unknown Task in own_errors 'Hole'; did you mean 'Whole'?"),
        ("own_errors:np", "task: unknown Task in own_errors 'np'; valid: Half, Whole"),
        ("own_errors:Half", "task: own_errors:Half must implement loss"),
        ("own_missing:Task", "task: cannot import 'own_missing' in "),
        ("own_broken:Task", "task: cannot import 'own_broken' in "),
        ("__main__:Gone", "task: __main__:Gone was made by a script or a notebook, and only that can make it again"),
        ("own_errors:make.<locals>.Task", "task: own_errors:make.<locals>.Task was made by a script or a notebook"),
        (":Task", "task: must be the name of a task, or module:Class, got ':Task'"),
    ],
)
def test_a_users_mistakes(name: str, message: str, tmp_path: Path) -> None:
    own_module(tmp_path, "own_errors")
    own_module(tmp_path, "own_broken", "import nowhere_at_all")
    with pytest.raises(TaskError) as error:
        make_task(name, {}, str(tmp_path))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "this data file is missing (leave out --data to use generated points)"),
        ("input,lable\n1,2\n", "needs the columns input and label, got input, lable"),
        ("input,label\n1,2\n3,\n", "every label must be a finite number, line 3 is not"),
        ("input,label\nx,2\n", "every input must be a finite number, line 2 is not"),
        ("input,label\ninf,2\n", "every input must be a finite number, line 2 is not"),
        ("", "cannot be read as a CSV file, EmptyDataError"),
        ("input,label\n1,2\n1,2,3,4\n", "cannot be read as a CSV file, ParserError"),
        (b"\xff\xfe\x00", "cannot be read as a CSV file, UnicodeDecodeError"),
    ],
)
def test_malformed_csv_files(text: str | bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "regression" / "train_data.csv"
    path.parent.mkdir()
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError) as error:
        Regression().load(tmp_path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_generated_points_have_gaps_in_training_only() -> None:
    dataset = Regression().load(None)
    train, test = dataset.inputs[:, 0], dataset.read_test()[0][:, 0]
    assert len(train) == len(test) == 100
    assert not ((train > -2.6) & (train < -1)).any()
    assert ((test > -2.6) & (test < -1)).any()
