"""The value of each trial, and the best so far."""

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
    new_figure,
    number,
    plural,
    wants_log,
)
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome


@dataclass(frozen=True)
class History:
    """Ended trials by number.

    Args:
        numbers: (T,).
        states: T of them.
        values: (T,), of a pruned trial its last one; NaN without a value, perhaps infinite.
        best: (T,), the best value of the completed trials so far; NaN before the first.
    """

    numbers: Ints
    states: tuple[TrialState, ...]
    values: Floats
    best: Floats


def compute(outcomes: Sequence[Outcome], objective: Objective) -> History:
    """Collect the trials that have ended."""
    ended = [o for o in outcomes if o.state.is_finished()]
    values = np.array([np.nan if o.value is None else o.value for o in ended], dtype=float)
    best, so_far = np.full(len(ended), np.nan), None
    for i, outcome in enumerate(ended):
        if outcome.complete and objective.better(values[i], so_far):
            so_far = values[i]
        best[i] = np.nan if so_far is None else so_far
    return History(np.array([o.number for o in ended], dtype=np.int64), tuple(o.state for o in ended), values, best)


def draw(history: History, axes: Axes, metric: str, log: bool = False) -> None:
    """Points by state and a step line; what has no finite value stands on the edge of the axes."""
    for state, mark in MARKS.items():
        here = np.fromiter((s is state for s in history.states), bool, len(history.states))
        finite = here & np.isfinite(history.values)
        if finite.any():
            mark.points(axes, history.numbers[finite], history.values[finite])
        for edge, rows in ((1, history.values == np.inf), (0, ~(history.values > -np.inf))):
            if (on_edge := here & rows).any():
                label = None if finite.any() else mark.label
                where = np.full(on_edge.sum(), float(edge))
                mark.points(
                    axes,
                    history.numbers[on_edge],
                    where,
                    transform=axes.get_xaxis_transform(),
                    clip_on=False,
                    label=label,
                )
    best = np.where(np.isfinite(history.best), history.best, np.nan)
    if np.isfinite(best).any():
        axes.step(history.numbers, best, where="post", color=BLACK, linewidth=1.5, label="best so far")
    if log:
        log_y(axes)
    count_along(axes)
    frame(axes, "trial", f"validation {metric}")
    legend_above(axes)


def caption(history: History) -> str:
    """What happened, in one sentence."""
    counts = {mark.label: int((np.array(history.states) == state).sum()) for state, mark in MARKS.items()}
    found = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
    edge = " (on the lower edge)" if counts["failed"] else ""
    infinite = int(np.isinf(history.values).sum())
    beside = f"; {plural(infinite, 'infinite value')} on the edge" if infinite else ""
    if not counts["completed"] or np.isnan(history.best[-1]):
        return f"No trial has a value yet: {found}{edge}{beside}."
    last = int(np.argmax(history.best == history.best[-1]))
    after = len(history.numbers) - 1 - last
    since = f"; {plural(after, 'trial')} came after it without improving on it" if after else ""
    return (
        f"Of {plural(len(history.numbers), 'trial')}, {found}{edge}{beside}; "
        f"trial {history.numbers[last]} brought the best value, {number(history.best[-1])}{since}."
    )


def plot(search: Search) -> Drawn | Missing:
    """The figure."""
    history = compute(search.outcomes, search.objective)
    if not len(history.numbers):
        return Missing("no trial has ended yet")
    if not np.isfinite(history.values).any():
        return Missing("no trial has a finite value")
    figure = new_figure()
    draw(history, figure.add_subplot(), search.objective.metric, wants_log(history.values, search.objective))
    return Drawn(figure, caption(history))
