"""The value of each trial against each hyperparameter that was searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from analysis.plots.search.search import Search
from analysis.plots.style import (
    BLACK,
    GREY,
    MARKS,
    Drawn,
    Floats,
    Ints,
    Missing,
    count_along,
    frame,
    grid,
    log_x,
    log_y,
    number,
    plain,
    short,
    wants_log,
)
from search_spaces.trials.objectives import Objective

COLUMNS = 3
CROWDED = 30
"""Letters under a panel from which on they are written upright."""

FEW = 12
"""Values that a whole-number parameter can take up to which each has a tick, and its points are spread sideways."""

ENOUGH = 8
"""Completed trials from which on the best quarter of them says something."""


@dataclass(frozen=True)
class Slice:
    """One parameter over the trials that have it and a finite value.

    Args:
        name: of the parameter.
        log: whether its distribution is logarithmic.
        choices: of a categorical parameter, as text; else empty.
        numbers, states, x, values: (T,) each; ``x`` is a place in ``choices`` for a categorical parameter.
        low, high: ends of the range searched.
        step: between neighbouring values of a whole-number parameter; 0 for every other.
    """

    name: str
    log: bool
    choices: tuple[str, ...]
    numbers: Ints
    states: tuple[TrialState, ...]
    x: Floats
    values: Floats
    low: float
    high: float
    step: int = 0

    @property
    def few(self) -> Ints | None:
        """All values that a whole-number parameter can take, None with many of them and for every other parameter."""
        if not self.step or (self.high - self.low) / self.step >= FEW:
            return None
        return np.arange(int(self.low), int(self.high) + 1, self.step, dtype=np.int64)


def compute(search: Search) -> list[Slice]:
    """A slice per searched parameter, in the order of their first appearance."""
    values = {o.number: o.value for o in search.outcomes if o.state.is_finished() and o.value is not None}
    usable = [t for t in search.trials if np.isfinite(values.get(t.number, np.nan))]
    distributions = {n: d for t in reversed(usable) for n, d in t.distributions.items() if not d.single()}
    order = dict.fromkeys(n for t in usable for n in t.distributions if n in distributions)
    slices = []
    for name in order:
        having, distribution = [t for t in usable if name in t.params], distributions[name]
        choices: tuple[str, ...] = ()
        step = distribution.step if isinstance(distribution, IntDistribution) else 0
        if isinstance(distribution, CategoricalDistribution):
            choices = tuple(map(str, distribution.choices))
            x = [distribution.to_internal_repr(t.params[name]) for t in having]
            log, low, high = False, 0.0, float(len(choices) - 1)
        elif isinstance(distribution, IntDistribution | FloatDistribution):
            x = [float(t.params[name]) for t in having]
            log, low, high = distribution.log, float(distribution.low), float(distribution.high)
        slices.append(
            Slice(
                name,
                log,
                choices,
                np.array([t.number for t in having], dtype=np.int64),
                tuple(t.state for t in having),
                np.array(x, dtype=float),
                np.array([values[t.number] for t in having], dtype=float),
                low,
                high,
                step,
            )
        )
    return slices


def draw(one: Slice, best: int | None, axes: Axes, metric: str, log: bool = False) -> None:
    """Points by state, the best trial as a star; categorical values and few whole numbers as strips."""
    x = _spread(one)
    for state, mark in MARKS.items():
        here = np.fromiter((s is state for s in one.states), bool, len(one.states))
        if here.any():
            mark.points(axes, x[here], one.values[here], markersize=4)
    star = one.numbers == best
    if star.any():
        axes.plot(x[star], one.values[star], "*", color=BLACK, markersize=11, label="best")
    if one.log:
        axes.set_xscale("log")
    if one.choices:
        _ticks(axes, range(len(one.choices)), [short(c, 12) for c in one.choices])
        axes.set_xlim(-0.6, len(one.choices) - 0.4)
    elif one.few is not None:
        _ticks(axes, one.few.tolist(), _apart(one.few) if one.log else ())
        if not one.log:
            axes.set_xlim(one.low - 0.6 * one.step, one.high + 0.6 * one.step)
    elif one.step and one.log:
        _ticks(axes, _whole(int(one.low), int(one.high)))
    elif one.step:
        count_along(axes)
    elif one.log:
        log_x(axes, one.low, one.high)
    if log:
        log_y(axes)
    frame(axes, one.name, f"validation {metric}")


def narrowest(slices: Sequence[Slice], objective: Objective) -> tuple[Slice, Floats] | None:
    """The numeric parameter of which the best quarter of the completed trials covers the smallest share of its range.

    Returns the slice and the parameter's values in these trials; None with too few of them.
    """
    found = None
    for one in slices:
        completed = np.flatnonzero([s is TrialState.COMPLETE for s in one.states])
        if one.choices or len(completed) < ENOUGH:
            continue
        order = sorted(completed, key=lambda i: objective.cost(float(one.values[i])))
        x = one.x[order[: len(completed) // 4]]
        scale = np.log if one.log else np.asarray
        share = float(np.ptp(scale(x)) / np.ptp(scale(np.array([one.low, one.high]))))
        if found is None or share < found[0]:
            found = (share, one, x)
    return None if found is None else found[1:]


def caption(slices: Sequence[Slice], objective: Objective) -> str:
    """Where the good values lie."""
    text = "Each point is a trial and the star is the best one"
    found = narrowest(slices, objective)
    if found is None:
        return f"{text}; a trend along an axis shows what a hyperparameter does."
    one, x = found
    return (
        f"{text}; the best quarter of the completed trials ({len(x)}) agree most on {one.name}, "
        f"{number(x.min())} to {number(x.max())} of {number(one.low)} to {number(one.high)}."
    )


def plot(search: Search) -> Drawn | Missing:
    """The figure."""
    slices = compute(search)
    if not slices:
        ended = any(o.value is not None for o in search.outcomes)
        return Missing("every hyperparameter is a constant" if ended else "no trial has a value")
    figure, panels = grid(len(slices), COLUMNS, 2.9, 2.5)
    best = None if search.best is None else search.trials[search.best].params
    log = wants_log([o.value for o in search.outcomes if o.value is not None], search.objective)
    for i, (one, axes) in enumerate(zip(slices, panels, strict=True)):
        if i:
            axes.sharey(panels[0])
        draw(one, search.best, axes, search.objective.metric, log)
        if best is not None and one.name not in best:
            axes.set_title("not in the best trial", loc="right", fontsize="small", color=GREY)
        if i % COLUMNS:
            axes.set_ylabel("")
    handles = {plain(label): h for axes in panels for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=len(handles), frameon=False)
    return Drawn(figure, caption(slices, search.objective))


def _spread(one: Slice) -> Floats:
    """Where the points are drawn: strips where many trials share a value."""
    if one.choices:
        return one.x + _jitter(one.numbers)
    if one.few is None:
        return one.x
    if one.log:  # a share of the way to the next value: strips get narrower, and do not meet
        return np.asarray(one.x * (1 + 1 / one.x) ** _jitter(one.numbers), dtype=np.float64)
    return one.x + one.step * _jitter(one.numbers)


def _jitter(numbers: Ints) -> Floats:
    """A fixed sideways shift per trial, spread evenly over a strip (multiples of the golden ratio)."""
    return np.asarray((numbers * 0.6180339887498949 % 1 - 0.5) * 0.5, dtype=np.float64)


def _ticks(axes: Axes, places: Sequence[float], labels: Sequence[str] = ()) -> None:
    """Ticks at these places alone, upright where they would run into each other."""
    labels = labels or [str(place) for place in places]
    axes.set_xticks(places, labels)
    axes.set_xticks([], minor=True)
    if sum(len(label) + 2 for label in labels if label) > CROWDED:
        axes.tick_params(axis="x", rotation=90)


def _apart(places: Ints) -> list[str]:
    """Labels on a logarithmic axis, empty where they would run into the one before."""
    labels, last = [], -np.inf
    shares = np.log(places / places[0]) / np.log(places[-1] / places[0])
    for place, share in zip(places, shares, strict=True):
        fits = share - last >= 0.05 * len(str(place))
        last = share if fits else last
        labels.append(str(place) if fits else "")
    return labels


def _whole(low: int, high: int) -> list[int]:
    """Whole numbers for a logarithmic axis: 1, 2 and 5 in each decade, of many decades the powers of ten alone."""
    for digits in ((1, 2, 5), (1,)):
        found = [d * 10**k for k in range(len(str(high))) for d in digits if low <= d * 10**k <= high]
        if len(found) <= 6:
            break
    return found if len(found) > 1 else sorted({low, round((low * high) ** 0.5), high})
