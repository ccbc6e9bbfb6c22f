"""House prices: in dollars, whatever the loss is computed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces.errors import DataError, TaskError
from search_spaces.study.sections import TaskOptions
from tests.trainables.builders import CPU
from tests.trainables.data_files import houses
from trainables import passes
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.folds import search_splits
from trainables.data.readers.table import house_prices
from trainables.layers.standardise import fit_layers
from trainables.plan import Plan
from trainables.refit import evaluate, networks_of, predict
from trainables.tasks import make_task

TASK = make_task("house_prices", {})
GAUSSIAN = make_task("house_prices", {"likelihood": "gaussian"})
PRICES = torch.tensor([[150_000.0], [34_900.0], [755_000.0], [180_000.0]])


@pytest.mark.parametrize("split", [0, 1])
def test_the_split_is_that_of_a_permutation(split: int, tiny_data: Path) -> None:
    features, prices = house_prices(tiny_data)
    rows = np.random.default_rng(split).permutation(len(prices))
    dataset = make_task("house_prices", {"split": split}).load(tiny_data)
    parts = [(dataset.inputs, dataset.targets), dataset.validation, dataset.read_test()]
    for part, own in zip(parts, (rows[:1000], rows[1000:1200], rows[1200:]), strict=True):
        assert part is not None
        assert np.array_equal(part[0], features[own].astype(np.float32))
        assert np.array_equal(part[1], prices[own, None].astype(np.float32))


def test_too_few_houses_are_refused(tmp_path: Path) -> None:
    (tmp_path / "house_prices").mkdir()
    houses(1200).to_csv(tmp_path / "house_prices" / "house_prices.csv", index=False)
    with pytest.raises(DataError, match="^house prices: needs more than 1200 houses, got 1200$"):
        TASK.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 0.5}, "task_options.beta: has no effect with likelihood 'squared'"),
        ({"likelihood": "gaussian", "beta": 2}, "task_options.beta: must be a number from 0 to 1, got 2"),
        ({"likelihood": "gausian"}, "task_options.likelihood: unknown likelihood 'gausian'; did you mean 'gaussian'?"),
        ({"split": -1}, "task_options.split: must be a whole number from 0 to 4 294 967 295, got -1"),
        ({"split": 0.5}, "task_options.split: must be a whole number from 0 to 4 294 967 295, got 0.5"),
        ({"split": True}, "task_options.split: must be a whole number from 0 to 4 294 967 295, got True"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as error:
        make_task("house_prices", options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layers": 9}, "layers: must be a whole number between 0 and 8, got 9"),
        ({"activation": "reluu"}, "unknown activation 'reluu'; did you mean 'relu'?"),
        ({"width": 0}, r"every layer needs at least one unit, got widths \[4, 0, 1\]"),
    ],
)
def test_bad_hyperparameters_are_refused_by_name(params: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message.replace("?", r"\?")):
        TASK.network({**TASK.defaults, **params})


@pytest.mark.parametrize("task", [TASK, GAUSSIAN])
def test_an_untrained_network_predicts_dollars(task: Any, tiny_data: Path) -> None:
    dataset = task.load(tiny_data)
    x, y = torch.from_numpy(dataset.inputs), torch.from_numpy(dataset.targets)
    network = task.network({**task.defaults, "layers": 0})
    fit_layers(network, x, y)
    outputs = network(x).detach()
    assert float(outputs[:, 0].mean()) == pytest.approx(float(y.mean()), abs=float(y.std()))
    assert outputs[:, 0].std() < 2 * y.std()
    if outputs.shape[1] > 1:
        assert 0.1 * y.std() < outputs[:, 1].mean() < 2 * y.std()


@pytest.mark.parametrize("folds", [1, 7])
@pytest.mark.parametrize("rows", [1024, 64, 7])
def test_rmse_is_the_root_of_the_mean_over_all_rows(
    folds: int, rows: int, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "EVALUATION_ROWS", rows)
    dataset = TASK.load(tiny_data)
    data = Data.on(CPU, *dataset.all_rows)
    splits = search_splits(dataset, TaskOptions(folds=folds))
    one = Cohort(TASK, data, Plan(splits, 2, key=0), [(0, {"batch_size": "full"}), (1, {"batch_size": "full"})])
    found = one.advance()
    expected: dict[int, list[float]] = {0: [], 1: []}
    for row, (number, fold) in enumerate(one._members):
        networks = networks_of(TASK, {}, [one._stack.members.tensors(row)])
        outputs, own = predict(networks, data.inputs)[0], splits[fold].validation
        expected[number].append(float((outputs[own] - data.targets[own]).double().square().mean().sqrt()))
    for number, roots in expected.items():
        assert found[number].folds == pytest.approx(roots, rel=1e-5)
        assert found[number].value == found[number].metrics["rmse"] == pytest.approx(np.mean(roots), rel=1e-5)
        assert found[number].value > 1000


@pytest.mark.parametrize("task", [TASK, GAUSSIAN])
def test_the_refit_is_measured_in_dollars_too(task: Any, tiny_data: Path) -> None:
    dataset = task.load(tiny_data)
    x, y = torch.from_numpy(dataset.inputs), torch.from_numpy(dataset.targets)
    networks = [task.network(task.defaults).eval() for _ in range(2)]
    for network in networks:
        fit_layers(network, x, y)
    with torch.no_grad():
        prices = torch.stack([network(x)[:, :1] for network in networks])
    each = [(one - y).double().square().mean().sqrt().item() for one in (*prices, prices.mean(0))]
    found = evaluate(task, networks, x, y)
    assert found["rmse"] == pytest.approx(np.mean(each[:2]), rel=1e-5)
    assert found["rmse_ensemble"] == pytest.approx(each[2], rel=1e-5)


def test_the_squared_loss_is_in_its_unit() -> None:
    outputs = PRICES + torch.tensor([[0.0], [100_000.0], [-50_000.0], [1.0]])
    assert TASK.loss(outputs, PRICES).tolist() == pytest.approx([0, 1, 0.25, 1e-10], abs=1e-6)


def test_the_gaussian_loss_is_that_of_a_normal_distribution() -> None:
    mean = PRICES + torch.tensor([[0.0], [20_000.0], [-300_000.0], [1.0]])
    sd = torch.tensor([[500.0], [15_000.0], [60_000.0], [400_000.0]])
    outputs = torch.cat([mean, sd], dim=1)
    expected = -torch.distributions.Normal(mean / 1e5, sd / 1e5).log_prob(PRICES / 1e5)[:, 0]
    assert GAUSSIAN.loss(outputs, PRICES).tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_the_share_of_prices_within_one_deviation() -> None:
    outputs = torch.cat([PRICES + torch.tensor([[0.0], [900.0], [1100.0], [-1100.0]]), torch.full((4, 1), 1e3)], dim=1)
    metrics = GAUSSIAN.metrics(outputs, PRICES)
    assert metrics["within_sd"].tolist() == [1, 1, 0, 0]
    assert metrics["rmse"].tolist() == pytest.approx([0, 810_000, 1_210_000, 1_210_000], rel=1e-2)
    assert set(TASK.metrics(PRICES, PRICES)) == {"rmse"}


@pytest.mark.parametrize("raw", [-1e6, -30.0, 0.0, 5.0])
def test_deviations_are_positive(raw: float) -> None:
    network = GAUSSIAN.network(GAUSSIAN.defaults)
    fit_layers(network, torch.rand(20, 4), torch.linspace(1e5, 3e5, 20)[:, None])
    outputs = network.prices(torch.tensor([[0.0, raw]]))
    deviation = float(torch.linspace(1e5, 3e5, 20).std(correction=0))
    assert float(outputs[0, 1]) == pytest.approx((np.logaddexp(0, raw) + 0.01) * deviation, rel=1e-5)


def test_the_gaussian_network_learns_its_deviation(tiny_data: Path) -> None:
    dataset = GAUSSIAN.load(tiny_data)
    data = Data.on(CPU, *dataset.all_rows)
    one = Cohort(
        GAUSSIAN, data, Plan(search_splits(dataset, TaskOptions()), 25, key=0), [(n, {"lr": 0.01}) for n in range(2)]
    )
    while one.live:
        found = one.advance()
    assert one.why_loop is None
    for epoch in found.values():
        assert 0.55 < epoch.metrics["within_sd"] < 0.8  # 0.683 of a normal distribution
        assert 13_000 < epoch.metrics["rmse"] < 22_000  # the noise is 15 000


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_beta_weighs_by_the_predicted_variance_and_does_not_train_it(beta: float) -> None:
    outputs = torch.cat([PRICES + 20_000, torch.tensor([[1e4], [2e4], [9e4], [3e4]])], dim=1).double().requires_grad_()
    plain, weighed = (
        GAUSSIAN.loss(outputs, PRICES),
        make_task("house_prices", {"likelihood": "gaussian", "beta": beta}).loss(outputs, PRICES),
    )
    weights = (outputs[:, 1].detach() / 1e5) ** (2 * beta)
    assert torch.allclose(weighed, plain * weights)
    expected, found = (torch.autograd.grad(loss.sum(), outputs)[0] for loss in (plain, weighed))
    assert torch.allclose(found, expected * weights[:, None])
    if beta == 1:  # the mean's gradient is that of half the squared error
        squared = torch.autograd.grad(TASK.loss(outputs[:, :1], PRICES).sum(), outputs)[0]
        assert torch.allclose(found[:, 0], squared[:, 0] / 2)
