"""Statistics come from the training rows of a member's own fold, and travel with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainables.builders import CPU, curves, run
from tests.trainables.refits import refitted
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.folds import Split
from trainables.layers import standardise
from trainables.layers.standardise import Standardise
from trainables.plan import Plan
from trainables.refit import networks_of
from trainables.tasks import make_task

RNG = np.random.default_rng(0)
COLOURS = RNG.normal([[[1.0]], [[-20.0]], [[300.0]]], [[[0.1]], [[5.0]], [[2.0]]], (50, 3, 4, 5)).astype(np.float32)
BYTES = RNG.integers(0, 256, (50, 3, 4, 5)).astype(np.uint8)
TRIALS = [(0, {"lr": 0.01}), (1, {"lr": 0.02})]
SPLITS = [Split(np.arange(0, 60), np.arange(60, 80)), Split(np.arange(30, 80), np.arange(0, 30))]


def fitted(inputs: np.ndarray) -> Standardise:
    """A layer that has seen these inputs."""
    layer = Standardise(inputs.shape[1])
    layer.fit(torch.from_numpy(inputs), torch.zeros(len(inputs)))
    return layer


@pytest.mark.parametrize("inputs", [COLOURS, COLOURS[:, :, 0, 0], BYTES])
def test_statistics_per_channel_are_those_of_numpy(inputs: np.ndarray) -> None:
    layer, axes = fitted(inputs), tuple(i for i in range(inputs.ndim) if i != 1)
    assert layer.mean.tolist() == pytest.approx(inputs.mean(axes, dtype=np.float64).tolist(), rel=1e-6)
    assert layer.std.tolist() == pytest.approx(inputs.std(axes, dtype=np.float64).tolist(), rel=1e-6)
    out = layer(torch.from_numpy(inputs))
    assert out.dtype == torch.float32
    assert out.mean(axes).tolist() == pytest.approx([0] * 3, abs=1e-4)
    assert out.std(axes, correction=0).tolist() == pytest.approx([1] * 3, rel=1e-4)


def test_whole_numbers_do_not_overflow() -> None:
    layer = fitted(np.full((3000, 1, 2), [[0, 255]], np.uint8))
    assert (float(layer.mean), float(layer.std)) == (127.5, 127.5)


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, 1e-9, -12345.678])
def test_a_constant_channel_is_not_divided_by_nothing(value: float) -> None:
    inputs = np.stack([np.full(1001, value, np.float32), np.arange(1001, dtype=np.float32)], axis=1)
    layer = fitted(inputs)
    assert float(layer.std[0]) == 1
    assert layer(torch.from_numpy(inputs))[:, 0].abs().max() <= abs(value) * 1e-6


@pytest.mark.parametrize("numbers", [1, 59, 60, 61, 1000])
def test_chunks_change_nothing(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(COLOURS)
    monkeypatch.setattr(standardise, "CHUNK_NUMBERS", numbers)
    chunked = fitted(COLOURS)
    assert torch.allclose(chunked.mean, whole.mean, rtol=1e-6)
    assert torch.allclose(chunked.std, whole.std, rtol=1e-6)


@pytest.fixture(scope="module")
def houses(tiny_data: Path) -> Data:
    """80 houses."""
    dataset = make_task("house_prices", {}).load(tiny_data)
    return Data.on(CPU, dataset.inputs[:80], dataset.targets[:80])


def trained(data: Data, **plan: Any) -> Cohort:
    """Two trials over two folds, in training."""
    return Cohort(make_task("house_prices", {}), data, Plan(SPLITS, 4, key=0, **plan), TRIALS)


def assert_moments(mean: Tensor, std: Tensor, rows: Tensor) -> None:
    """Compare statistics with numpy's."""
    values = rows.numpy().astype(np.float64)
    assert mean.tolist() == pytest.approx(values.mean(0).tolist(), rel=1e-6)
    assert std.tolist() == pytest.approx(values.std(0).tolist(), rel=1e-6)


def test_each_member_has_the_statistics_of_its_own_training_rows(houses: Data) -> None:
    one = trained(houses)
    one.advance()
    for row, (_, fold) in enumerate(one._members):
        own, rows = one._stack.members.tensors(row), SPLITS[fold].train
        assert_moments(own["standardise.mean"], own["standardise.std"], houses.inputs[rows])
        assert_moments(own["prices.mean"], own["prices.std"], houses.targets[rows])


def test_no_validation_row_leaks_into_training(houses: Data) -> None:
    other = Data(houses.inputs.clone(), houses.targets.clone())
    other.inputs[60:] *= 1000
    other.targets[60:] -= 1e6
    a, b = (Cohort(make_task("house_prices", {}), d, Plan(SPLITS[:1], 4, key=0), TRIALS) for d in (houses, other))
    for _ in range(3):
        first, second = a.advance(), b.advance()
        assert [e.train_loss for e in first.values()] == [e.train_loss for e in second.values()]
        assert first[0].value != second[0].value
    assert torch.equal(a._stack.members.theta, b._stack.members.theta)


def test_statistics_are_saved_and_restored_with_a_trial(houses: Data) -> None:
    first = trained(houses)
    first.advance()
    saved = first.state()
    buffers = saved["members"]["buffers"]
    assert saved["rows"][3] == [1, 1]
    assert_moments(buffers["prices.mean"][3], buffers["prices.std"][3], houses.targets[SPLITS[1].train])
    task, plan = make_task("house_prices", {}), Plan(SPLITS, 4, key=0)
    assert curves(run(Cohort(task, houses, plan, TRIALS, saved=saved))) == curves(run(trained(houses)))
    buffers["prices.mean"][3] += 1
    second = Cohort(task, houses, plan, TRIALS, saved=saved)
    assert torch.equal(second._stack.members.buffers["prices.mean"], buffers["prices.mean"])


def test_the_refits_networks_have_their_statistics(houses: Data) -> None:
    task = make_task("house_prices", {})
    plan = Plan(SPLITS[:1], 2, key=0, keep_best=True)
    refit = refitted(task, (houses.inputs.numpy(), houses.targets.numpy()), plan, TRIALS[0][1], range(2))
    for state, network in zip(refit.states, networks_of(task, refit.params, refit.states), strict=True):
        for tensors in (state, network.state_dict()):
            assert_moments(tensors["standardise.mean"], tensors["standardise.std"], houses.inputs[:60])
            assert_moments(tensors["prices.mean"], tensors["prices.std"], houses.targets[:60])
