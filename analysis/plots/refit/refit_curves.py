"""The refit's loss and metrics by epoch, over its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.plots.style import (
    BLUE,
    ORANGE,
    VERMILLION,
    Drawn,
    Ints,
    Missing,
    count_along,
    frame,
    grid,
    listing,
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

MOST = 8
"""Networks up to which the caption lists where each stopped."""


@dataclass(frozen=True)
class Band:
    """One metric on one split.

    Args:
        split: training, validation or test.
        values: a row per epoch and a column per network; not a number after the network has stopped, or where its
            value is not finite.
    """

    split: str
    values: pd.DataFrame

    @cached_property
    def shared(self) -> pd.DataFrame:
        """The epochs at which every network has a value: elsewhere a median would be of others than before."""
        return self.values.dropna()

    @property
    def rest(self) -> list[pd.Series[float]]:
        """Each network that goes on after the last of the shared epochs, from that epoch."""
        start = self.shared.index[-1] if len(self.shared) else self.values.index[0]
        after = (self.values[seed].loc[start:].dropna() for seed in self.values)
        return [one for one in after if one.index[-1] > start or not len(self.shared)]

    @property
    def lasts(self) -> Ints:
        """The last epoch of each network."""
        return np.array([self.values[seed].last_valid_index() for seed in self.values], dtype=np.int64)

    @property
    def end(self) -> float:
        """Median over the networks of their last values."""
        return float(self.values.ffill().iloc[-1].median())

    @property
    def lowest(self) -> tuple[float, float]:
        """Medians over the networks of their own lowest value, and of the epoch that first had it."""
        return float(self.values.min().median()), float(self.values.idxmin().median())


Curves = Mapping[str, tuple[Band, ...]]
"""Bands by metric; the loss comes first."""


def compute(history: pd.DataFrame) -> Curves:
    """Bands of every column that is named ``<split>_<metric>``."""
    found: dict[str, list[Band]] = {"loss": []}
    for split in SPLITS:
        for column in (c for c in history if str(c).startswith(f"{split}_")):
            values = history.pivot(index="epoch", columns="seed", values=column).replace([np.inf, -np.inf], np.nan)
            values = values.dropna(axis="columns", how="all").dropna(how="all")
            if len(values):
                found.setdefault(str(column).removeprefix(f"{split}_"), []).append(Band(split, values))
    return {metric: tuple(bands) for metric, bands in found.items() if bands}


def draw(bands: tuple[Band, ...], axes: Axes, metric: str) -> None:
    """Median lines with min-max bands, thin lines for networks that train longer; a positive loss on a log axis."""
    for band in bands:
        label, colour, line = SPLITS[band.split]
        epochs, shared = band.shared.index, band.shared
        axes.plot(epochs, shared.median(axis=1), line, color=colour, linewidth=1.5, label=label)
        low, high = shared.min(axis=1), shared.max(axis=1)
        if (high > low).any():
            axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        if len(epochs) == 1:
            axes.plot(epochs, shared.median(axis=1), "o", color=colour)
        for one in band.rest:
            axes.plot(one.index, one, line, color=colour, linewidth=0.6)
    if metric == "loss" and all(band.values.min().min() > 0 for band in bands):
        log_y(axes)
    count_along(axes)
    frame(axes, "epoch", metric)
    axes.legend(frameon=False)


def caption(curves: Curves) -> str:
    """Where the losses ended, and whether the networks overfit."""
    metric, bands = next(iter(curves.items()))
    lasts = np.sort(bands[0].lasts)
    parts = [f"{SPLITS[band.split][0]} {metric} ends at {number(band.end)}" for band in bands]
    if lasts[0] == lasts[-1]:
        parts = [f"{part} after epoch {lasts[0]}" for part in parts]
    for band in bands:
        if band.split == "validation" and metric == "loss":
            value, epoch = band.lowest
            parts.append(f"the validation loss is lowest, {number(value)}, after epoch {number(epoch)}")
    told = "; ".join(parts)
    if len(lasts) == 1:
        return f"One network: {told}."
    until = ""
    if lasts[0] != lasts[-1]:
        until = f", up to epoch {lasts[0]}; networks that trained longer go on as thin lines ({_stops(lasts)})"
    return (
        f"Lines are medians of {len(lasts)} networks and bands reach from the lowest to the highest{until}. "
        f"Medians of each network's own values: {told}."
    )


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
    return Drawn(figure, caption(curves))


def _stops(lasts: Ints) -> str:
    """The last epochs of the networks, in order; of many only the ends and the middle."""
    if len(lasts) > MOST:
        return f"the networks stop after epochs {lasts[0]} to {lasts[-1]}, median {number(float(np.median(lasts)))}"
    return f"the networks stop after epochs {listing([str(last) for last in lasts])}"
