"""Hyperparameters that changed while networks trained: the schedules that a population found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from analysis.plots.search.search import Search
from analysis.plots.style import GREY, VERMILLION, Drawn, Missing, count_along, frame, grid, log_y, plural, short

MOST_PANELS = 9


@dataclass(frozen=True)
class Lines:
    """One hyperparameter over epochs, a step line per trial up to its best epoch.

    Args:
        name: of the hyperparameter.
        lines: by trial, (epochs, values); a line ends with its trial's best epoch.
        log: whether the space draws it evenly over magnitudes.
        choices: what whole values stand for, where they are places in a list.
    """

    name: str
    lines: dict[int, tuple[list[int], list[float]]]
    log: bool
    choices: tuple[Any, ...] = ()


def compute(search: Search) -> list[Lines]:
    """Lines of each hyperparameter that changed in any trial."""
    ends = {o.number: o.best_epoch for o in search.outcomes if o.best_epoch is not None}
    followed = {n: search.outcomes[n].schedule or ((0, search.trials[n].params),) for n in ends}
    panels = []
    for name, distribution in next((t.distributions for t in search.trials if t.number in followed), {}).items():
        if not any(params[name] != s[0][1][name] for s in followed.values() for _, params in s):
            continue
        choices = distribution.choices if isinstance(distribution, CategoricalDistribution) else ()
        lines = {}
        for number, schedule in followed.items():
            values = [float(choices.index(p[name]) if choices else p[name]) for _, p in schedule]
            lines[number] = [*(epoch for epoch, _ in schedule), ends[number]], [*values, values[-1]]
        log = isinstance(distribution, IntDistribution | FloatDistribution) and distribution.log
        panels.append(Lines(name, lines, log, choices))
    return panels


def draw(panel: Lines, axes: Axes, best: int | None) -> None:
    """All trials in grey, the best in colour."""
    for number, (epochs, values) in panel.lines.items():
        if number != best:
            axes.step(epochs, values, where="post", color=GREY, linewidth=0.8, alpha=0.6)
    if best in panel.lines:
        epochs, values = panel.lines[best]
        axes.step(epochs, values, where="post", color=VERMILLION, linewidth=2)
        axes.plot(epochs[-1], values[-1], "o", color=VERMILLION, markersize=5)
    if panel.log:
        log_y(axes)
    if panel.choices:
        axes.set_yticks(range(len(panel.choices)), [short(choice) for choice in panel.choices])
    count_along(axes)
    frame(axes, "epoch", panel.name)


def plot(search: Search) -> Drawn | Missing:
    """The figure: a panel per hyperparameter."""
    panels = compute(search)
    if not panels:
        return Missing("no hyperparameter changed in a trial that has ended")
    shown = panels[:MOST_PANELS]
    figure, every = grid(len(shown), columns=3, width=3.4, height=2.6)
    for panel, axes in zip(shown, every, strict=True):
        draw(panel, axes, search.best)
    left_out = f"; {plural(len(panels) - len(shown), 'more')} not drawn" if len(panels) > len(shown) else ""
    changes = len(search.outcomes[search.best].schedule) if search.best is not None else 0
    about = (
        f"trial {search.best}, in colour, whose network went through {plural(changes - 1, 'change')} before its best epoch"
        if changes
        else f"trial {search.best}, in colour, which kept its hyperparameters"
    )
    return Drawn(figure, f"What the best network of each trial was trained with, copies included: {about}{left_out}.")


def applies(search: Search) -> bool:
    """Whether a population was trained."""
    return any(outcome.schedule for outcome in search.outcomes)
