"""The numbers behind the curves of the refit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.plots.refit import refit_curves
from analysis.result import StudyResult

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
