"""The numbers behind the plots of the refitted network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.metrics import accuracy_score, confusion_matrix
from torch import nn

from analysis.plots.network import weights
from analysis.plots.refit import confusion, decision_map, fit, refit_curves
from analysis.plots.refit.fitted import Fitted, classes_of, probabilities, scores
from analysis.result import StudyResult


def test_confusion_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(200, 4)), rng.choice([0, 1, 3], 200)
    found = confusion.compute(outputs, targets, np.arange(4))
    predicted = outputs.argmax(axis=1)
    np.testing.assert_array_equal(found.counts, confusion_matrix(targets, predicted, labels=range(4)))
    assert found.accuracy == pytest.approx(accuracy_score(targets, predicted))
    assert np.isnan(found.shares[2]).all()  # class 2 has no sample
    assert found.weakest == np.nanargmin(np.diag(found.shares))


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_one_logit_decides_between_two_labels(shape: tuple[int, ...]) -> None:
    targets = np.array([-1, -1, -1, 1, 1, 1])
    outputs = np.array([-2.0, 1e-30, -1.0, 3.0, 2.0, -0.5]).reshape(shape)
    classes = classes_of(targets, shape[1:])
    assert classes is not None
    found = confusion.compute(outputs, targets, classes)
    np.testing.assert_array_equal(found.counts, [[2, 1], [1, 2]])


def test_caption_names_the_weakest_class() -> None:
    outputs = np.eye(3)[[0, 0, 1, 2, 2, 1]]
    text = confusion.caption(confusion.compute(outputs, np.array([0, 0, 1, 1, 2, 2]), np.arange(3)))
    assert text == (
        "66.7 % of 6 test samples are on the diagonal; class 1 is the weakest with 50.0 %, "
        "taken most often for 2 (1 of 2)."
    )


@pytest.mark.parametrize(
    ("labels", "shape", "classes"),
    [
        ([0, 1, 2], (3,), [0, 1, 2]),
        ([0, 1, 2], (4,), [0, 1, 2, 3]),
        ([0, 5], (1,), [0, 5]),
        ([0, 1], (), [0, 1]),
        ([0, 1, 2], (1,), None),
        ([0, 3], (3,), None),
        ([-1, 1], (2,), None),
        ([0, 1], (2, 8, 8), None),
    ],
)
def test_classes_come_from_shape_and_labels(
    labels: list[int], shape: tuple[int, ...], classes: list[int] | None
) -> None:
    found = classes_of(np.array(labels), shape)
    assert (None if found is None else found.tolist()) == classes


def test_probabilities_are_torchs() -> None:
    logits = np.random.default_rng(0).normal(scale=100, size=(20, 3))
    expected = torch.softmax(torch.from_numpy(logits), 1)
    np.testing.assert_allclose(probabilities(logits), expected, atol=1e-12)
    np.testing.assert_allclose(
        probabilities(logits[:, :1])[:, 1], torch.sigmoid(torch.from_numpy(logits[:, 0])), atol=1e-12
    )


STOPPED = {0: [5.0, 4.0, 3.0, 2.0, 1.0], 1: [7.0, 3.0, 6.0], 2: [6.0, 8.0, 9.0, 10.0]}
"""Validation losses of three networks that stopped at different epochs."""


def history(losses: Mapping[int, Sequence[float]]) -> pd.DataFrame:
    rows = [(seed, epoch, v / 10, v) for seed, values in losses.items() for epoch, v in enumerate(values, 1)]
    return pd.DataFrame(rows, columns=["seed", "epoch", "train_loss", "validation_loss"]).assign(lr=0.1)


def test_refit_curves_are_medians_while_every_network_trains_and_single_lines_after() -> None:
    axes = Figure().add_subplot()
    bands = refit_curves.compute(history(STOPPED))["loss"]
    refit_curves.draw(bands[1:], axes, "loss")
    found = [np.asarray(line.get_xydata()).T.tolist() for line in axes.lines]
    assert found == [[[1, 2, 3], [6, 4, 6]], [[3, 4, 5], [3, 2, 1]], [[3, 4], [9, 10]]]
    (shade,) = axes.collections
    assert np.asarray(shade.get_paths()[0].vertices)[:, 0].max() == 3


def test_refit_caption_quotes_each_networks_own_values() -> None:
    assert refit_curves.caption(refit_curves.compute(history(STOPPED))) == (
        "Lines are medians of 3 networks and bands reach from the lowest to the highest, up to epoch 3; networks that "
        "trained longer go on as thin lines (the networks stop after epochs 3, 4 and 5). Medians of each network's own "
        "values: training loss ends at 0.6; validation loss ends at 6; the validation loss is lowest, 3, after epoch 2."
    )
    together = refit_curves.caption(refit_curves.compute(history({s: v[:3] for s, v in STOPPED.items()})))
    assert "thin" not in together
    assert "validation loss ends at 6 after epoch 3; the validation loss is lowest, 3, after epoch 2." in together
    many = refit_curves.caption(refit_curves.compute(history({s: [1.0] * (s + 5) for s in range(10)})))
    assert "(the networks stop after epochs 5 to 14, median 9.5)" in many


def test_refit_curves_leave_out_what_is_not_finite() -> None:
    table = history({0: [2.0, 1.0, 0.5], 1: [1.0, np.inf, 3.0]}).assign(validation_accuracy=np.nan)
    found = refit_curves.compute(table)
    assert list(found) == ["loss"]
    validation = found["loss"][1]
    assert validation.shared.index.tolist() == [1, 3]
    assert validation.rest == []
    assert "One network: training loss ends at 0.05" in refit_curves.caption(
        refit_curves.compute(table[table["seed"] == 0])
    )


def test_refit_curves_of_a_study(digits_study: StudyResult, regression_study: StudyResult) -> None:
    held_out = refit_curves.compute(digits_study.history)
    assert {metric: [b.split for b in bands] for metric, bands in held_out.items()} == {
        "loss": ["train", "validation"],
        "accuracy": ["validation"],
    }
    everything = refit_curves.compute(regression_study.history)
    assert [b.split for b in everything["loss"]] == ["train"]


def test_confusion_of_a_study_has_its_accuracy(digits_study: StudyResult) -> None:
    fitted = Fitted(digits_study)
    assert fitted.test is not None
    assert fitted.classes is not None
    found = confusion.compute(fitted.outputs(fitted.test[0]).mean(axis=0), fitted.test[1], fitted.classes)
    assert found.accuracy == pytest.approx(digits_study.refit.test["accuracy_ensemble"])
    assert found.counts.sum() == 360


def test_fit_has_the_studys_error(regression_study: StudyResult) -> None:
    found = fit.compute(Fitted(regression_study))
    assert found.error**2 == pytest.approx(regression_study.refit.test["loss_ensemble"], rel=1e-4)
    assert found.each.shape == (3, len(found.x))
    expected = regression_study.refit.predict(found.x[:, None].astype(np.float32))[:, 0]
    np.testing.assert_allclose(found.ensemble, expected, atol=1e-5)


def test_decision_map_agrees_with_the_network(spirals_study: StudyResult) -> None:
    fitted = Fitted(spirals_study)
    assert fitted.test is not None
    assert fitted.classes is not None
    found = decision_map.compute(fitted, fitted.classes)
    accuracy = 1 - len(found.wrong) / len(fitted.test[1])
    assert accuracy == pytest.approx(spirals_study.refit.test["accuracy_ensemble"])
    left, right, bottom, top = found.extent
    corners = np.array([[left, bottom], [right, bottom], [left, top], [right, top]], dtype=np.float32)
    expected = scores(spirals_study.refit.predict(corners)).argmax(axis=1)
    np.testing.assert_array_equal(found.shares[[0, 0, -1, -1], [0, -1, 0, -1]].argmax(axis=1), expected)


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
