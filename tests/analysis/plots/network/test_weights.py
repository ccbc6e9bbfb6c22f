"""The numbers behind the weights of each layer."""

from __future__ import annotations

import pytest
from torch import nn

from analysis.plots.network import weights


def test_weights_are_counted_once_and_biases_not_at_all() -> None:
    first = nn.Linear(5, 7)
    network = nn.Sequential(first, nn.BatchNorm1d(7), nn.Linear(7, 1))
    found = weights.compute(network)
    assert [(layer.shape, layer.counts.sum()) for layer in found] == [((7, 5), 35), ((1, 7), 7)]
    assert found[0].deviation == pytest.approx(first.weight.std(correction=0).item())
    assert weights.compute(nn.Sequential()) == []


def test_weights_count_layers_and_keep_telling_names() -> None:
    assert list(map(str, weights.compute(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 1))))) == [
        "layer 1",
        "layer 2",
    ]
    named = nn.ModuleDict({"rnn": nn.LSTM(2, 3), "head": nn.Linear(3, 1)})
    assert list(map(str, weights.compute(named))) == [
        "layer 1 (rnn.weight_ih_l0)",
        "layer 1 (rnn.weight_hh_l0)",
        "layer 2 (head)",
    ]
    assert str(weights.compute(nn.Linear(3, 1))[0]) == "layer 1"
