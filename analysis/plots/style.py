"""How every figure looks, and what a plot hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray
from optuna.trial import TrialState

from search_spaces.trials.objectives import Objective

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
"""The palette of Okabe and Ito, "Color Universal Design" (2008): colour-blind readers can tell all of it apart."""

GREY = "#8A8A8A"
CLASS_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK)
CLASS_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class Mark:
    """How the trials of one state are drawn."""

    label: str
    marker: str
    colour: str

    def points(self, axes: Axes, x: ArrayLike, y: ArrayLike, **more: Any) -> None:
        """Draw points without a line."""
        axes.plot(
            x, y, self.marker, **{"color": self.colour, "markersize": 5, "alpha": 0.75, "label": self.label, **more}
        )


MARKS = {
    TrialState.COMPLETE: Mark("completed", "o", BLUE),
    TrialState.PRUNED: Mark("pruned", "v", ORANGE),
    TrialState.FAIL: Mark("failed", "x", VERMILLION),
    TrialState.RUNNING: Mark("running", "s", GREY),
}


@dataclass(frozen=True)
class Drawn:
    """A figure and one sentence on what to read off it."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Missing:
    """A figure that cannot be drawn, and why not."""

    reason: str


def new_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """An empty figure; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, each ``width`` x ``height`` inches."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def frame(axes: Axes, x: str, y: str) -> None:
    """Label the axes, and keep only the two spines that carry a scale."""
    axes.set_xlabel(plain(x))
    axes.set_ylabel(plain(y))
    axes.spines[["top", "right"]].set_visible(False)


def count_along(axes: Axes) -> None:
    """Only whole numbers on the x-axis: it counts trials or epochs."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def log_y(axes: Axes) -> None:
    """A logarithmic y-axis; over less than three decades with plain numbers at 1, 2 and 5 too."""
    axes.set_yscale("log")
    _log_ticks(axes.yaxis, axes.get_ylim(), 1000)


def log_x(axes: Axes, low: float, high: float, plain_below: float = 30) -> None:
    """A logarithmic x-axis from low to high with a little room; labels are wide, so few of them."""
    room = (high / low) ** 0.05
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    _log_ticks(axes.xaxis, axes.get_xlim(), plain_below)


def _log_ticks(axis: Axis, limits: tuple[float, float], plain_below: float) -> None:
    axis.set_minor_formatter(NullFormatter())
    if limits[1] / limits[0] < plain_below:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axis.set_major_formatter(LogFormatterSciNotation())


def legend_above(axes: Axes, columns: int = 5) -> None:
    """A legend over the axes, where it hides no data."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.2)


def plain(text: object) -> str:
    """Text as it stands: matplotlib would read dollar signs as mathematics."""
    return str(text).replace("$", r"\$")


def short(text: object, most: int = 16) -> str:
    """Text for a tick label, cut in the middle where it is long."""
    whole = str(text)
    half = (most - 1) // 2
    return plain(whole if len(whole) <= most else f"{whole[:half]}…{whole[-half:]}")


def number(value: float) -> str:
    """A number for a reader: four significant digits."""
    return f"{value:.4g}"


def plural(count: int, noun: str) -> str:
    """ "1 trial", "2 trials"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def low_is_good(objective: Objective) -> bool:
    """Whether small values of an objective are good."""
    return objective.better(0, than=1)


def wants_log(values: ArrayLike, objective: Objective) -> bool:
    """Whether an axis is logarithmic: small values are good, the finite ones above 0, over more than a factor of 10."""
    if not low_is_good(objective):
        return False
    array = np.asarray(values, dtype=float)
    finite = array[np.isfinite(array)]
    return len(finite) > 1 and bool(finite.min() > 0) and bool(finite.max() / finite.min() > 10)


def thinned(rows: int, most: int) -> Ints:
    """Row numbers of an evenly spread sample of at most ``most``, for scatter plots."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64))


def listing(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
