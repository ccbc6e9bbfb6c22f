"""The refit: several networks of one configuration, tested together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from search_spaces.errors import SearchFailed
from tests.trainables.builders import Curve, data_of
from tests.trainables.refits import refitted
from trainables.data.folds import Split
from trainables.plan import Plan
from trainables.refit import evaluate, networks_of, predict, summary

TASK, DATA = Curve(), data_of(Curve(), torch.float32)
ARRAYS = (DATA.inputs.numpy(), DATA.targets.numpy())
HELD = Split(np.arange(30), np.arange(30, 40))
ALL = Split(np.arange(40), np.arange(0))


def plan(split: Split) -> Plan:
    """Eight epochs."""
    return Plan([split], 8, key=0, keep_best=True)


def test_with_held_out_rows_the_best_epoch_is_kept() -> None:
    refit = refitted(TASK, ARRAYS, plan(HELD), {"lr": 0.05}, range(3))
    best = [min(r["validation_loss"] for r in refit.history if r["seed"] == seed) for seed in range(3)]
    measured = evaluate(TASK, networks_of(TASK, refit.params, refit.states), DATA.inputs[30:], DATA.targets[30:])
    assert measured["loss"] == pytest.approx(float(np.median(best)), rel=1e-5)
    assert measured["loss_min"] == pytest.approx(min(best), rel=1e-5)
    assert len(refit.states) == 3
    assert len(refit.history) == 24


def test_without_them_the_last() -> None:
    refit = refitted(TASK, ARRAYS, plan(ALL), {"lr": 0.05}, range(1))
    assert set(refit.history[0]) == {"seed", "epoch", "train_loss", "lr"}


def test_networks_are_rebuilt_and_evaluated_together() -> None:
    refit = refitted(TASK, ARRAYS, plan(ALL), {"lr": 0.05, "dropout": 0.3}, range(2))
    networks = networks_of(TASK, refit.params, refit.states)
    outputs = predict(networks, DATA.inputs)
    assert outputs.shape == (2, 40, 1)
    each = (outputs - DATA.targets).square().mean((1, 2)).tolist()
    ensemble = float((outputs.mean(0) - DATA.targets).square().mean())
    expected = {"loss": sum(each) / 2, "loss_min": min(each), "loss_max": max(each), "loss_ensemble": ensemble}
    assert evaluate(TASK, networks, DATA.inputs, DATA.targets) == pytest.approx(expected, rel=1e-5)


def test_a_refit_without_any_network_fails() -> None:
    with pytest.raises(SearchFailed, match="^the refit of .* failed: the loss is not finite after epoch"):
        refitted(TASK, ARRAYS, plan(HELD), {"lr": 1e30, "optimizer": "sgd"}, range(2))


def test_summary_of_one_network() -> None:
    assert summary([{"loss": 2.0}], {"loss": 2.0}) == {"loss": 2.0}
