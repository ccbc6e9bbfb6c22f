"""The learning curves of all trials, thinned as the trial database keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from optuna.trial import TrialState

from analysis.plots.search.search import Search
from analysis.plots.style import (
    BLACK,
    MARKS,
    Drawn,
    Floats,
    Ints,
    Missing,
    count_along,
    frame,
    legend_above,
    log_y,
    low_is_good,
    new_figure,
    number,
    plural,
    wants_log,
)
from search_spaces.trials.outcome import Outcome


@dataclass(frozen=True)
class Curve:
    """One trial: values (E,) of the study's metric after epochs (E,); NaN where they are not finite.

    ``best`` is its best epoch and value, which need not be among the points that are kept; None without them.
    """

    number: int
    state: TrialState
    epochs: Ints
    values: Floats
    best: tuple[int, float] | None


def compute(outcomes: Sequence[Outcome]) -> list[Curve]:
    """Curves of the trials that have trained an epoch."""
    curves = []
    for o in outcomes:
        if o.curve:
            epochs, values = (
                np.array([e for e, _ in o.curve], dtype=np.int64),
                np.array([v for _, v in o.curve], dtype=float),
            )
            values[~np.isfinite(values)] = np.nan
            best = None
            if o.complete and o.value is not None and o.best_epoch is not None:
                best = o.best_epoch, o.value
            curves.append(Curve(o.number, o.state, epochs, values, best))
    return curves


def ceiling(curves: Sequence[Curve]) -> float | None:
    """Where to cut the y-axis when few values lie far above all others, as of a trial that diverged for a while.

    What is usual is asked of the trials that did not fail: failed ones may have gone anywhere.
    """
    values = np.concatenate([c.values[~np.isnan(c.values)] for c in curves])
    sound = [c.values[~np.isnan(c.values)] for c in curves if c.state is not TrialState.FAIL]
    usual = float(np.quantile(np.concatenate(sound), 0.97)) if sum(map(len, sound)) else 0.0
    return 2 * usual if usual > 0 and values.max() > 10 * usual else None


def draw(
    curves: Sequence[Curve], best: int | None, axes: Axes, metric: str, log: bool = False, top: float | None = None
) -> None:
    """Faint lines with a mark at the end of each; the best trial in black, its best epoch as a star."""
    faint = min(0.6, max(0.12, 8 / max(1, len(curves))))
    for state, mark in MARKS.items():
        group = [c for c in curves if c.state is state and c.number != best]
        if not group:
            continue
        gap = np.array([np.nan])  # breaks the line between two curves
        x = np.concatenate([part for c in group for part in (c.epochs.astype(float), gap)])
        y = np.concatenate([part for c in group for part in (c.values, gap)])
        axes.plot(x, y, color=mark.colour, alpha=faint, linewidth=1)
        mark.points(axes, [c.epochs[-1] for c in group], [c.values[-1] for c in group], markersize=4)
    for curve in (c for c in curves if c.number == best):
        axes.plot(curve.epochs, curve.values, color=BLACK, linewidth=2, label=f"best (trial {best})")
        if curve.best is not None:
            axes.plot([curve.best[0]], [curve.best[1]], "*", color=BLACK, markersize=11, label="its best epoch")
    if top is not None:
        ends = [float(np.nanmin(c.values)) for c in curves if not np.isnan(c.values).all()]
        low = min(ends + [c.best[1] for c in curves if c.best is not None and np.isfinite(c.best[1])])
        axes.set_ylim(low / 1.2 if log else low - 0.05 * (top - low), top)
    if log:
        log_y(axes)
    count_along(axes)
    frame(axes, "epoch", f"validation {metric}")
    legend_above(axes)


def caption(curves: Sequence[Curve], best: int | None, top: float | None = None) -> str:
    """Where the best trial got to, and when the others were stopped."""
    parts = []
    for curve in (c for c in curves if c.number == best):
        if curve.best is not None:
            epochs = plural(int(curve.epochs[-1]), "epoch")
            parts.append(f"trial {best} reaches {number(curve.best[1])} at epoch {curve.best[0]} of its {epochs}")
    pruned = [int(c.epochs[-1]) for c in curves if c.state is TrialState.PRUNED]
    if pruned:
        parts.append(
            f"{len(pruned)} of {len(curves)} were stopped early, half of these by epoch {int(np.median(pruned))}"
        )
    if top is not None:
        parts.append(f"values above {number(top)} are cut off")
    if not parts:
        parts.append(f"{plural(len(curves), 'trial')} trained for at least one epoch")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} (at most 30 points of each curve are kept)."


def plot(search: Search) -> Drawn | Missing:
    """The figure."""
    curves = compute(search.outcomes)
    if not curves:
        return Missing("no trial has trained for an epoch")
    figure = new_figure()
    log = wants_log(np.concatenate([c.values for c in curves]), search.objective)
    top = ceiling(curves) if low_is_good(search.objective) else None
    draw(curves, search.best, figure.add_subplot(), search.objective.metric, log, top)
    return Drawn(figure, caption(curves, search.best, top))
