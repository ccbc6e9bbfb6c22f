"""The refit's loss and metrics by epoch, over its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.plots.style import (
    BLUE,
    ORANGE,
    VERMILLION,
    Drawn,
    Floats,
    Ints,
    Missing,
    count_along,
    frame,
    grid,
    log_y,
    number,
)
from analysis.result import StudyResult

SPLITS = {
    "train": ("training", BLUE, "-"),
    "validation": ("validation", ORANGE, "--"),
    "test": ("test", VERMILLION, "-."),
}
"""Of a column's name: what it is called, colour and line."""


@dataclass(frozen=True)
class Band:
    """One metric on one split after each epoch (E,), over the seeds still in training then."""

    split: str
    epochs: Ints
    median: Floats
    low: Floats
    high: Floats


Curves = Mapping[str, tuple[Band, ...]]
"""Bands by metric; the loss comes first."""


def compute(history: pd.DataFrame) -> Curves:
    """Bands of every column that is named ``<split>_<metric>``."""
    found: dict[str, list[Band]] = {"loss": []}
    for split in SPLITS:
        for column in (c for c in history if str(c).startswith(f"{split}_")):
            seeds = history.assign(value=history[column].replace([np.inf, -np.inf], np.nan)).dropna(subset="value")
            if seeds.empty:
                continue
            by_epoch = seeds.groupby("epoch")["value"]
            median, low, high = (by_epoch.agg(how).to_numpy(float) for how in ("median", "min", "max"))
            band = Band(split, np.sort(seeds["epoch"].unique()), median, low, high)
            found.setdefault(str(column).removeprefix(f"{split}_"), []).append(band)
    return {metric: tuple(bands) for metric, bands in found.items() if bands}


def draw(bands: tuple[Band, ...], axes: Axes, metric: str) -> None:
    """Median lines with min-max bands; a positive loss on a log axis."""
    for band in bands:
        label, colour, line = SPLITS[band.split]
        axes.plot(band.epochs, band.median, line, color=colour, linewidth=1.5, label=label)
        if (band.high > band.low).any():
            axes.fill_between(band.epochs, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
        if len(band.epochs) == 1:
            axes.plot(band.epochs, band.median, "o", color=colour)
    if metric == "loss" and all((band.low > 0).all() for band in bands):
        log_y(axes)
    count_along(axes)
    frame(axes, "epoch", metric)
    axes.legend(frameon=False)


def caption(curves: Curves, seeds: int) -> str:
    """Where the losses ended, and whether the network overfits."""
    metric, bands = next(iter(curves.items()))
    by_split = {band.split: band for band in bands}
    parts = [f"{SPLITS[b.split][0]} {metric} ends at {number(b.median[-1])} after epoch {b.epochs[-1]}" for b in bands]
    if (held_out := by_split.get("validation")) is not None and metric == "loss":
        at = int(held_out.median.argmin())
        parts.append(f"the validation loss is lowest, {number(held_out.median[at])}, after epoch {held_out.epochs[at]}")
    over = f"Medians of {seeds} networks, with bands from the lowest to the highest: " if seeds > 1 else "One network: "
    return f"{over}{'; '.join(parts)}."


def plot(result: StudyResult) -> Drawn | Missing:
    """The figure."""
    if not result.dir.best_history.is_file():
        return Missing(f"{result.dir.best_history.name} is missing")
    history = result.history
    curves = compute(history)
    if not curves:
        return Missing(f"{result.dir.best_history.name} holds no finite values")
    figure, panels = grid(len(curves), 2, 7.0 if len(curves) == 1 else 4.4, 3.4)
    for (metric, bands), axes in zip(curves.items(), panels, strict=True):
        draw(bands, axes, metric)
    return Drawn(figure, caption(curves, history["seed"].nunique()))
