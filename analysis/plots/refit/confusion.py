"""Which classes the ensemble takes for which, on the test split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.plots.refit.predictions import Predictions, scores
from analysis.plots.style import Drawn, Floats, Ints, Missing, new_figure, plural
from trainables.data.dataset import Array

ANNOTATED = 20
"""Classes up to which every cell carries its number."""


@dataclass(frozen=True)
class Confusion:
    """Counts of true class (rows) by predicted class (columns).

    Args:
        classes: (C,) labels.
        counts: (C, C).
    """

    classes: Ints
    counts: Ints

    @property
    def shares(self) -> Floats:
        """Counts over the size of their class (C, C); rows of classes without a sample are NaN."""
        sizes = self.counts.sum(axis=1, keepdims=True)
        shares: Floats = np.divide(self.counts, sizes, out=np.full(self.counts.shape, np.nan), where=sizes > 0)
        return shares

    @property
    def accuracy(self) -> float:
        """Share of all samples on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def weakest(self) -> int:
        """Place of the class of which the smallest share is recognised; of equals the first."""
        return int(np.nanargmin(np.diag(self.shares)))


def compute(outputs: Array, targets: Array, classes: Ints) -> Confusion:
    """Count, from outputs (N, ...) and labels (N,); see ``predictions.classes_of`` for the classes."""
    predicted = scores(outputs).argmax(axis=1)
    true = np.searchsorted(classes, targets)
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    return Confusion(classes, counts)


def draw(confusion: Confusion, figure: Figure) -> Axes:
    """A map of the shares, with class sizes beside it."""
    axes, count = figure.add_subplot(), len(confusion.classes)
    image = axes.imshow(100 * confusion.shares, cmap="Blues", vmin=0, vmax=100)
    step = -(-count // 25)
    sizes = confusion.counts.sum(axis=1)
    ticks = range(0, count, step)
    axes.set_xticks(ticks, [str(confusion.classes[i]) for i in ticks], rotation=90 if count > ANNOTATED else 0)
    axes.set_yticks(ticks, [f"{confusion.classes[i]}  (n = {sizes[i]})" for i in ticks])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (test samples)")
    wrong = confusion.accuracy < 1
    axes.set_title(
        f"weakest class: {confusion.classes[confusion.weakest]}" if wrong else "no errors", fontsize="medium"
    )
    if count <= ANNOTATED:
        for (row, column), share in np.ndenumerate(confusion.shares):
            if share > 0:
                colour = "white" if share > 0.55 else "black"
                axes.text(column, row, _percent(share, count), ha="center", va="center", color=colour, fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the true class (%)")
    return axes


def _percent(share: float, classes: int) -> str:
    """A share for a cell: few classes have room for a decimal; rounding never hides an error."""
    if classes <= 6:
        return f"{100 * share:.1f}"
    return "<1" if share < 0.005 else ">99" if 0.995 <= share < 1 else f"{100 * share:.0f}"


def caption(confusion: Confusion) -> str:
    """The accuracy, and the weakest class with what it is taken for."""
    weakest, shares = confusion.weakest, confusion.shares
    total = int(confusion.counts.sum())
    text = f"{100 * confusion.accuracy:.1f} % of {plural(total, 'test sample')} are on the diagonal"
    missed = confusion.counts[weakest].copy()
    missed[weakest] = 0
    if not missed.any():
        return f"{text}: every class is recognised without an error."
    taken = int(missed.argmax())
    return (
        f"{text}; class {confusion.classes[weakest]} is the weakest with {100 * shares[weakest, weakest]:.1f} %, "
        f"taken most often for {confusion.classes[taken]} "
        f"({missed[taken]} of {confusion.counts[weakest].sum()})."
    )


def plot(predictions: Predictions) -> Drawn | Missing:
    """The figure, for class labels."""
    if predictions.test is None:
        return Missing("the task has no test split")
    if predictions.classes is None:
        return Missing("the outputs are no logits of the labels")
    inputs, targets = predictions.test
    confusion = compute(predictions.outputs(inputs).mean(axis=0), targets, predictions.classes)
    size = min(9.0, 4.2 + 0.2 * len(confusion.classes))
    figure = new_figure(size + 1.0, size)
    draw(confusion, figure)
    return Drawn(figure, caption(confusion))
