"""The first two objectives of every completed trial, and the Pareto front among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from analysis.pareto import compared
from analysis.plots.style import (
    BLACK,
    BLUE,
    ORANGE,
    Drawn,
    Floats,
    Ints,
    Missing,
    frame,
    legend_above,
    log_x,
    log_y,
    low_is_good,
    new_figure,
    number,
    plural,
    wants_log,
)
from analysis.result import StudyResult
from search_spaces.trials.objectives import COSTS, Objective, front
from search_spaces.trials.outcome import Outcome

LABEL = 5
"""Points between the middle of a point and the number beside it."""


@dataclass(frozen=True)
class Front:
    """Completed trials by number.

    Args:
        objectives: K of them, at least two; the first two are drawn.
        numbers: (T,).
        values: (T, K).
        on_front: (T,) whether no other trial dominates it.
        edge: places of the trials that the line connects, from the best by the second objective to the best by the
            first: those that none dominates in the two objectives drawn.
    """

    objectives: Sequence[Objective]
    numbers: Ints
    values: Floats
    on_front: np.typing.NDArray[np.bool_]
    edge: Ints


def compute(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> Front:
    """Collect the completed trials, of which there must be one."""
    by_number = compared(outcomes, objectives)
    numbers, values = np.array([*by_number], dtype=np.int64), np.array([*by_number.values()], dtype=float)
    on_front = np.zeros(len(numbers), dtype=bool)
    on_front[front(values.tolist(), objectives)] = True
    edge = np.array(front(values[:, :2].tolist(), objectives[:2]), dtype=np.int64)
    cost = [objectives[1].cost(value) for value in values[edge, 1]]
    return Front(objectives, numbers, values, on_front, edge[np.argsort(cost)])


def draw(pareto: Front, axes: Axes) -> None:
    """The second objective along, the first one up; the line bounds what is dominated."""
    y, x = pareto.values[:, 0], pareto.values[:, 1]
    beaten = ~pareto.on_front
    faint = min(0.75, max(0.4, 40 / max(1, beaten.sum())))
    if beaten.any():
        axes.plot(x[beaten], y[beaten], "o", color=BLUE, markersize=4, alpha=faint, mew=0, label="dominated")
    axes.plot(x[pareto.edge], y[pareto.edge], color=BLACK, linewidth=1, drawstyle="steps-post", zorder=2.5)
    axes.plot(
        x[pareto.on_front], y[pareto.on_front], "D", color=ORANGE, markeredgecolor=BLACK, markersize=6,
        label="Pareto front",
    )  # fmt: skip
    axes.margins(0.08)
    first, second = pareto.objectives[:2]
    if wants_log(y, first):
        log_y(axes)
    if wants_log(x, second):
        room = (x.max() / x.min()) ** 0.05  # for the numbers
        log_x(axes, float(x.min() / room), float(x.max() * room), plain_below=1000)
    frame(axes, shown(second), shown(first))
    legend_above(axes)
    _number(pareto, axes)


def _number(pareto: Front, axes: Axes) -> None:
    """Write the numbers of the front's trials where they fit, on the side where no trial can lie: that of the better.

    The ends come first, so that they have theirs.
    """
    if axes.figure is not None:
        axes.figure.draw_without_rendering()  # type: ignore[union-attr] # lays the figure out: now places are known
    first, second = pareto.objectives[:2]
    right, up = (-1 if low_is_good(objective) else 1 for objective in (second, first))
    rows = np.flatnonzero(pareto.on_front)
    rows = rows[np.argsort(pareto.values[rows, 0])]
    taken: list[Bbox] = []
    for row in dict.fromkeys([*rows[:1], *rows[-1:], *rows]):
        text = axes.annotate(
            str(pareto.numbers[row]),
            (pareto.values[row, 1], pareto.values[row, 0]),
            xytext=(right * LABEL, up * LABEL),
            textcoords="offset points",
            fontsize="small",
            ha="left" if right > 0 else "right",
            va="bottom" if up > 0 else "top",
        )
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def shown(objective: Objective) -> str:
    """An objective as the label of an axis."""
    words = {"parameters": "trained parameters", "seconds": "training time (s)"}
    return words[objective.name] if objective.name in COSTS else f"validation {objective.metric}"


def caption(pareto: Front) -> str:
    """How many trials are on the front, and its two ends."""
    told = [_told(pareto, int(row)) for row in dict.fromkeys((pareto.edge[-1], pareto.edge[0]))]
    span = f"it reaches from {told[0]} to {told[1]}" if len(told) > 1 else f"it is {told[0]} alone"
    others = len(pareto.objectives) - 2
    more = f"{plural(others, 'further objective')} {'counts' if others == 1 else 'count'}"
    beside = f"; {more} too, but the line is that of the two drawn" if others else ""
    return (
        f"{int(pareto.on_front.sum())} of {plural(len(pareto.numbers), 'completed trial')} are on the front, where no "
        f"other trial is at least as good in every objective and better in one; {span}{beside}."
    )


def _told(pareto: Front, row: int) -> str:
    values = zip(pareto.objectives, pareto.values[row], strict=True)
    told = (f"{objective.name} {number(v) if v % 1 else int(v)}" for objective, v in values)
    return f"trial {pareto.numbers[row]} ({', '.join(told)})"


def plot(result: StudyResult) -> Drawn | Missing:
    """The figure."""
    if not compared(result.outcomes, result.objectives):
        return Missing("no trial has completed")
    pareto = compute(result.outcomes, result.objectives)
    figure = new_figure()
    draw(pareto, figure.add_subplot())
    return Drawn(figure, caption(pareto))
