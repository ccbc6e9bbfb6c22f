"""Coloured digits: two heads, and every network of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from search_spaces.errors import TaskError
from search_spaces.study.sections import TaskOptions
from tests.trainables.builders import CPU
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.folds import search_splits
from trainables.data.readers.images import usps
from trainables.plan import Plan
from trainables.tasks import make_task
from trainables.tasks.colored_usps import COLOURS

TASK = make_task("colored_usps", {})
NONE = {"shared_filters": 0, "digit_filters": 0, "colour_filters": 0}


def cohort(data_dir: Path, epochs: int, **params: Any) -> Cohort:
    """One trial."""
    dataset = TASK.load(data_dir)
    plan = Plan(search_splits(dataset, TaskOptions()), epochs, key=0)
    return Cohort(TASK, Data.on(CPU, *dataset.all_rows), plan, [(0, {"lr": 0.01, **params})])


def test_each_image_is_the_grey_one_in_its_colour(tiny_data: Path) -> None:
    images, digits = usps(tiny_data, False)
    x, y = TASK.load(tiny_data).read_test() or (np.empty(0), np.empty(0))
    assert x.dtype == np.uint8
    assert np.array_equal(y[:, 0], digits)
    for image, grey, (_, colour) in zip(x, images, y, strict=True):
        assert np.array_equal(image, grey * np.array(list(COLOURS.values())[colour], np.uint8)[:, None, None])


def test_colours_are_seeded(tiny_data: Path) -> None:
    colours = [make_task("colored_usps", {"colour_seed": seed}).load(tiny_data).all_rows[1][:, 1] for seed in (0, 0, 1)]
    assert np.array_equal(colours[0], colours[1])
    assert not np.array_equal(colours[0], colours[2])
    assert (np.bincount(colours[0]) > 20).all()
    dataset = TASK.load(tiny_data)
    test = dataset.read_test() or (np.empty(0), np.empty(0))
    drawn = {split: TASK._coloured(tiny_data, train=split)[1][:50, 1].tolist() for split in (True, False)}
    assert drawn[True] != drawn[False] == test[1][:, 1].tolist()


def test_both_heads_learn(tiny_data: Path) -> None:
    one = cohort(tiny_data, 6, shared_filters=6, digit_filters=12)
    while one.live:
        metrics = one.advance()[0].metrics
    assert set(metrics) == {"loss", "digit_accuracy", "colour_accuracy", "digit_loss", "colour_loss"}
    assert metrics["digit_accuracy"] > 0.8
    assert metrics["colour_accuracy"] > 0.9
    assert metrics["loss"] == pytest.approx(metrics["digit_loss"] + metrics["colour_loss"], rel=1e-5)


def test_metrics_of_each_head_against_torch() -> None:
    outputs = torch.randn(6, 15, generator=torch.Generator().manual_seed(0))
    targets = torch.stack([torch.arange(6), torch.arange(6) % 5], dim=1)
    metrics = TASK.metrics(outputs, targets)
    for name, part, own in (("digit", outputs[:, :10], targets[:, 0]), ("colour", outputs[:, 10:], targets[:, 1])):
        expected = nn.functional.cross_entropy(part, own, reduction="none")
        assert torch.equal(metrics[f"{name}_loss"], expected)
        assert torch.equal(metrics[f"{name}_accuracy"], (part.argmax(1) == own).float())


@pytest.mark.parametrize(
    ("params", "kernels", "features"),
    [
        (NONE, [], [768, 768]),
        ({**NONE, "hidden": 7}, [], [768, 7]),
        ({**NONE, "digit_filters": 3, "colour_filters": 4}, [(3, 3, 3), (3, 4, 3)], [3 * 64, 4 * 64]),
        ({**NONE, "shared_filters": 5}, [(3, 5, 5)], [5 * 64, 5 * 64]),
        ({"shared_filters": 5, "digit_filters": 6}, [(3, 5, 5), (5, 6, 3)], [6 * 16, 5 * 64]),
        (
            {"shared_filters": 5, "digit_filters": 6, "colour_filters": 2, "head_kernel": 5, "shared_kernel": 3},
            [(3, 5, 3), (5, 6, 5), (5, 2, 5)],
            [6 * 16, 2 * 16],
        ),
    ],
    ids=["linear", "hidden", "convolution per task", "shared", "shared and digit", "all"],
)
def test_every_architecture_runs(
    params: dict[str, Any], kernels: list[tuple[int, int, int]], features: list[int], tiny_data: Path
) -> None:
    modules = list(TASK.network({**TASK.defaults, **params}).modules())
    found = [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in modules if isinstance(m, nn.Conv2d)]
    assert found == kernels
    assert [m.in_features for m in modules if isinstance(m, nn.Linear)] == features
    one = cohort(tiny_data, 3, **params, dropout=0.1, rotation=10)
    losses = [one.advance()[0].metrics["loss"] for _ in range(3)]
    assert losses[2] < losses[0]


def test_the_linear_network_has_no_other_layer() -> None:
    kinds = {type(m) for m in TASK.network({**TASK.defaults, **NONE}).modules() if not list(m.children())}
    assert kinds - {nn.Identity, nn.Flatten, nn.Dropout} == {nn.Linear, type(TASK.network(TASK.defaults).standardise)}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden": 5}, "hidden: must be 0 where there are convolutions, got 5"),
        ({**NONE, "hidden": -5}, "hidden: must be a whole number between 0 and 10000, got -5"),
        ({"activation": "rellu"}, "unknown activation 'rellu'; did you mean 'relu'?"),
        ({"rotation": 200}, "rotation: must be a number from 0 to 180, got 200"),
        ({"shared_kernel": 0}, "shared_kernel: must be a whole number between 1 and 16, got 0"),
        ({"digit_filters": 2.5}, "digit_filters: must be a whole number between 0 and 10000, got 2.5"),
    ],
)
def test_bad_hyperparameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as error:
        TASK.network({**TASK.defaults, **params})
    assert str(error.value).startswith(message)
