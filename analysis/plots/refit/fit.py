"""The ensemble's curve through the points, for one input and one output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from analysis.plots.refit.predictions import Predictions
from analysis.plots.style import (
    BLACK,
    BLUE,
    ORANGE,
    SKY,
    Drawn,
    Floats,
    Missing,
    frame,
    legend_above,
    new_figure,
    number,
    plural,
    thinned,
)

POINTS = 2000
"""Points of a split that are drawn."""

GRID = 500


@dataclass(frozen=True)
class Fit:
    """Points and curve.

    Args:
        train: (2, N) inputs and targets.
        test: the same; None without a test split.
        x: (G,) grid over all inputs.
        each: (S, G) outputs of the networks.
        error: root mean squared error of the ensemble on the test split, else on the training split.
    """

    train: Floats
    test: Floats | None
    x: Floats
    each: Floats
    error: float

    @property
    def ensemble(self) -> Floats:
        """Mean over the networks, (G,)."""
        mean: Floats = self.each.mean(axis=0)
        return mean


def compute(predictions: Predictions) -> Fit:
    """Evaluate the networks on a grid and on the test split."""
    pairs = [pair for pair in (predictions.train, predictions.test) if pair is not None]
    points = [np.stack([array.reshape(-1).astype(float) for array in pair]) for pair in pairs]
    inputs = np.concatenate([inputs for inputs, _ in points])
    margin = 0.03 * np.ptp(inputs)
    x = np.linspace(inputs.min() - margin, inputs.max() + margin, GRID)
    shape = (-1, *predictions.train[0].shape[1:])
    each = predictions.outputs(x.astype(predictions.train[0].dtype).reshape(shape)).reshape(-1, GRID)
    rows, targets = pairs[-1]
    residual = predictions.outputs(rows).mean(axis=0).reshape(-1) - targets.reshape(-1)
    test = points[1] if len(points) > 1 else None
    return Fit(points[0], test, x, each, float(np.sqrt(np.mean(residual.astype(float) ** 2))))


def draw(fit: Fit, axes: Axes) -> None:
    """Points below, curve and band above them."""
    for points, marker, colour, label in ((fit.test, "^", ORANGE, "test"), (fit.train, "o", SKY, "training")):
        if points is not None:
            x, y = points[:, thinned(points.shape[1], POINTS)]
            axes.plot(x, y, marker, color=colour, markersize=4, alpha=0.7, label=label)
    if len(fit.each) > 1:
        low, high = fit.each.min(axis=0), fit.each.max(axis=0)
        axes.fill_between(fit.x, low, high, color=BLUE, alpha=0.25, linewidth=0, label="range of the seeds")
    axes.plot(fit.x, fit.ensemble, color=BLACK, linewidth=1.5, label="ensemble" if len(fit.each) > 1 else "network")
    frame(axes, "input", "output")
    legend_above(axes)


def caption(fit: Fit) -> str:
    """The error, and where the seeds disagree most."""
    who = f"The mean of {len(fit.each)} networks" if len(fit.each) > 1 else "The network"
    split, points = ("training", fit.train) if fit.test is None else ("test", fit.test)
    text = f"{who} misses {plural(points.shape[1], f'{split} point')} by {number(fit.error)} (root mean square)"
    if len(fit.each) == 1:
        return f"{text}."
    spread = np.ptp(fit.each, axis=0)
    at = int(spread.argmax())
    return f"{text}; the networks disagree most at input {number(fit.x[at])}, where they span {number(spread[at])}."


def plot(predictions: Predictions) -> Drawn | Missing:
    """The figure, for numbers of one dimension."""
    fit = compute(predictions)
    figure = new_figure(7.0, 4.4)
    draw(fit, figure.add_subplot())
    return Drawn(figure, caption(fit))
