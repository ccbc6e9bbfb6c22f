"""What the ensemble answers all over the plane, for two inputs and class labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.refit.predictions import Predictions, probabilities, scores
from analysis.plots.style import (
    BLACK,
    CLASS_COLOURS,
    CLASS_MARKERS,
    GREY,
    Drawn,
    Floats,
    Ints,
    Missing,
    new_figure,
    plural,
    thinned,
)

SIDE = 200
POINTS = 600
"""Points of a split that are drawn."""


@dataclass(frozen=True)
class DecisionMap:
    """The plane and the points on it.

    Args:
        classes: (C,) labels.
        shares: (SIDE, SIDE, C) softmax of the ensemble's outputs; rows go with the second input.
        extent: left, right, bottom, top.
        train, test: (N, 3) both inputs and the label; ``test`` is None without such a split.
        wrong: places in ``test`` of the samples that the ensemble gets wrong.
    """

    classes: Ints
    shares: Floats
    extent: tuple[float, float, float, float]
    train: Floats
    test: Floats | None
    wrong: Ints


def compute(predictions: Predictions, classes: Ints) -> DecisionMap:
    """Evaluate the ensemble on a grid over all points, and on the test split."""
    pairs = [pair for pair in (predictions.train, predictions.test) if pair is not None]
    points = [np.column_stack(pair).astype(float) for pair in pairs]
    inputs = np.concatenate(points)[:, :2]
    margin = 0.04 * np.ptp(inputs, axis=0)
    low, high = inputs.min(axis=0) - margin, inputs.max(axis=0) + margin
    x, y = (np.linspace(low[i], high[i], SIDE) for i in range(2))
    cells = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(predictions.train[0].dtype)
    shares = probabilities(predictions.outputs(cells).mean(axis=0)).reshape(SIDE, SIDE, -1)
    wrong = np.zeros(0, dtype=np.int64)
    if predictions.test is not None:
        answers = classes[scores(predictions.outputs(predictions.test[0]).mean(axis=0)).argmax(axis=1)]
        wrong = np.flatnonzero(answers != predictions.test[1])
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    return DecisionMap(classes, shares, extent, points[0], points[1] if len(points) > 1 else None, wrong)


def draw(plane: DecisionMap, figure: Figure) -> None:
    """Colour by class, paler where the ensemble is unsure; training points small, test points outlined."""
    axes, count = figure.add_subplot(), len(plane.classes)
    colours = np.array([to_rgb(CLASS_COLOURS[i % len(CLASS_COLOURS)]) for i in range(count)])
    best = plane.shares.argmax(axis=-1)
    sure = (plane.shares.max(axis=-1, keepdims=True) - 1 / count) / (1 - 1 / count)
    pale = 1 - 0.6 * sure * (1 - colours[best])
    axes.imshow(pale, extent=plane.extent, origin="lower", interpolation="nearest", aspect="auto")
    left, right, bottom, top = plane.extent
    if 1 / 3 < (right - left) / (top - bottom) < 3:
        axes.set_aspect("equal")
    for i, label in enumerate(plane.classes):
        marker = CLASS_MARKERS[i % len(CLASS_MARKERS)]
        for points, size, edge in ((plane.train, 2.0, "none"), (plane.test, 4.5, "white")):
            if points is not None:
                shown = points[thinned(len(points), POINTS)]
                own = shown[shown[:, 2] == label]
                axes.plot(
                    own[:, 0], own[:, 1], marker, color=colours[i], markersize=size, markeredgecolor=edge, mew=0.6
                )
    if plane.test is not None:
        x, y = plane.test[plane.wrong, :2].T
        axes.plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor=BLACK, mew=1.2)
    axes.set_xlabel("first input")
    axes.set_ylabel("second input")
    handles = [
        Line2D([], [], linestyle="", marker=CLASS_MARKERS[i % 8], color=colours[i], label=f"class {label}")
        for i, label in enumerate(plane.classes[:16])
    ]
    handles.append(Line2D([], [], linestyle="", marker="o", color=GREY, markersize=2, label="training"))
    if plane.test is not None:
        handles.append(Line2D([], [], linestyle="", marker="o", color=GREY, markeredgecolor="white", label="test"))
    if len(plane.wrong):
        handles.append(Line2D([], [], linestyle="", marker="o", mfc="none", mec=BLACK, label="test, wrong"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=5,
        frameon=False,
        columnspacing=0.8,
        handletextpad=0.2,
    )


def caption(plane: DecisionMap) -> str:
    """How many test points lie on the wrong side, and how much of the plane is undecided."""
    unsure = 100 * float((plane.shares.max(axis=-1) < 0.9).mean())
    text = f"Pale areas are where the ensemble is less sure: on {unsure:.1f} % of the plane no class has 90 %"
    if plane.test is None:
        return f"{text}."
    return f"{text}; {len(plane.wrong)} of {plural(len(plane.test), 'test point')} lie on the wrong side."


def plot(predictions: Predictions) -> Drawn | Missing:
    """The figure."""
    if predictions.classes is None:
        return Missing("the outputs are no logits of the labels")
    plane = compute(predictions, predictions.classes)
    figure = new_figure(6.0, 6.0)
    draw(plane, figure)
    return Drawn(figure, caption(plane))
