"""The HTML report of a study: collects what came out; ``report.html.j2`` says how the page looks."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from analysis import pareto
from analysis.plots.registry import NAMES, Entry, figures
from analysis.plots.style import MARKS, Drawn, Missing, listing, low_is_good, number, plural
from analysis.result import BestTrial, StudyResult
from search_spaces.errors import SearchFailed
from search_spaces.trials.best import read_metrics
from search_spaces.trials.outcome import ATTRIBUTES, REASON, SCHEDULE
from search_spaces.trials.study_dir import StudyDir

DPI = 150
BROAD = 8.0
"""Width in inches from which on a figure takes the whole width of the page."""

TITLES = {"validation": "validation", "test": "test", "kfold": "k-fold"}
"""What the refit is measured by, in words."""

PARTS = {"front": "The Pareto front", "search": "The search", "network": "The refitted network"}
"""Headings over the figures."""

Cell = object
"""What stands in a table: text, a number, a truth value or None."""


@dataclass(frozen=True)
class Metric:
    """One metric over the refitted networks; the last three only with several of them."""

    name: str
    median: float
    low: float | None = None
    high: float | None = None
    ensemble: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Args:
        heads: of the columns.
        rows: cells.
        best: first cell of the row to emphasise.
        sortable: whether a click on a head sorts.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    best: int | None = None
    sortable: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Whether a column has nothing but numbers and gaps."""
        return [all(row[i] is None or is_number(row[i]) for row in self.rows) for i in range(len(self.heads))]


def write_report(result: StudyResult) -> Path:
    """Write ``report/index.html`` and its figures, anew if they are there; returns the page's path.

    A figure that cannot be drawn is replaced by a line that says why.
    """
    entries = []
    for entry in figures(result):
        if isinstance(entry.drawn, Drawn):
            with result.dir.replacing(picture(result.dir, entry.name)) as aside:
                entry.drawn.figure.savefig(aside, format="png", dpi=DPI)
        entries.append(entry)
    drawn = {entry.name for entry in entries if isinstance(entry.drawn, Drawn)}
    for name in NAMES:
        if name not in drawn:
            picture(result.dir, name).unlink(missing_ok=True)
    result.dir.write_text(result.dir.report_page, page(result, entries))
    return result.dir.report_page


def picture(folder: StudyDir, name: str) -> Path:
    """Where the figure of a plot is written."""
    return folder.figures / f"{name}.png"


def page(result: StudyResult, entries: Sequence[Entry]) -> str:
    """The page as text. It needs no other file than its pictures."""
    best, refit = _best(result), read_metrics(result.dir)
    metrics = {split: metrics_of(measured) for split, measured in refit.items()} if refit else {}
    return _template().render(
        study=result.study,
        state=result.state,
        ended=_ended(result),
        best=best,
        why_no_best=_why_no_best(result),
        metric=result.objectives[0].metric if best else "",
        rank="lowest" if best and low_is_good(result.objectives[0]) else "highest",
        refit=metrics,
        configuration=_configuration(result, best.params if best else {}),
        measured=[(TITLES[split], _measured(found)) for split, found in metrics.items() if found],
        parts=_parts(result, entries),
        broad=BROAD,
        trials=_trials(result, best),
        commands=_commands(result),
    )


def metrics_of(measured: Mapping[str, float]) -> list[Metric]:
    """Group what ``trainables.refit.summary`` returned by metric."""
    parts = ("min", "max", "ensemble")
    derived = {f"{name}_{part}" for name in measured for part in parts}
    return [
        Metric(name, value, *(measured.get(f"{name}_{part}") for part in parts))
        for name, value in measured.items()
        if name not in derived
    ]


def shown(value: Cell) -> str:
    """A value for a reader: four significant digits, nothing for None."""
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)


def is_number(value: Cell) -> bool:
    """Whether a value is a number; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _template() -> Template:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["shown"] = shown
    made.tests |= {"figures": is_number, "finite": math.isfinite}
    return made.get_template("report.html.j2")


def _best(result: StudyResult) -> BestTrial | None:
    try:
        return result.best
    except SearchFailed:
        return None


def _ended(result: StudyResult) -> str:
    ended, study = sum(outcome.state.is_finished() for outcome in result.outcomes), result.study
    return f"{ended} of {plural(study.trials, 'trial')}" if study.bounded else plural(ended, "trial")


def _why_no_best(result: StudyResult) -> str:
    outcomes = result.outcomes
    if not outcomes:
        return "No trial has been proposed yet."
    counts = Counter(outcome.state for outcome in outcomes).most_common()
    found = listing([f"{count} {MARKS[state].label}" for state, count in counts])
    failed = next((outcome for outcome in outcomes if outcome.state is TrialState.FAIL), None)
    first = "" if failed is None else f" Trial {failed.number}: {failed.reason or 'reason unknown'}."
    return f"There is no best trial: none of {plural(len(outcomes), 'trial')} has completed ({found}).{first}"


def _configuration(result: StudyResult, params: Mapping[str, Any]) -> Table:
    searched = result.study.search_space.by_name
    rows = [
        (name, shown(value), _range(searched[name].distribution) if name in searched else "")
        for name, value in params.items()
    ]
    return Table(("hyperparameter", "value", "searched"), rows)


def _range(distribution: BaseDistribution) -> str:
    if distribution.single():
        return "constant"
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(shown, distribution.choices))
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return ""
    step = distribution.step
    steps = "log" if distribution.log else f"step {shown(step)}" if step not in (None, 1) else ""
    return f"{number(distribution.low)} to {number(distribution.high)}" + (f" ({steps})" if steps else "")


def _measured(metrics: Sequence[Metric]) -> Table:
    if all(one.ensemble is None for one in metrics):
        return Table(("metric", "value"), [(one.name, one.median) for one in metrics])
    rows = [(one.name, one.median, one.low, one.high, one.ensemble) for one in metrics]
    return Table(("metric", "median", "min", "max", "ensemble"), rows)


def _parts(result: StudyResult, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The parts of the page that have figures, or could have had some."""
    return [
        {
            "title": title,
            "drawn": [e for e in entries if e.part == part and isinstance(e.drawn, Drawn)],
            "left_out": [e for e in entries if e.part == part and isinstance(e.drawn, Missing)],
            "beside": Table(*pareto.table(result.pareto), sortable=True) if part == "front" else None,
        }
        for part, title in PARTS.items()
        if any(entry.part == part for entry in entries)
    ]


def _trials(result: StudyResult, best: BestTrial | None) -> Table:
    trials = result.trials
    fixed = {f"params_{name}" for name, p in result.study.search_space.by_name.items() if p.constant}
    last = [REASON] if trials[REASON].notna().any() else []
    long = {REASON, SCHEDULE}  # the one comes last where there is any, the other has a figure
    first = ["number", "state", "value", *(name for name in ATTRIBUTES if name not in long)]
    middle = [c for c in trials.columns if c not in {*first, *long, *fixed}]
    columns = [*first, *middle, *last]
    rows = trials[columns].astype(object).where(trials[columns].notna(), None).itertuples(index=False)
    heads = ["trial", *(c.removeprefix("params_").removeprefix("metrics_") for c in columns[1:])]
    return Table(heads, [list(map(_plain, row)) for row in rows], best.number if best else None, sortable=True)


def _plain(value: Any) -> Any:
    """Whole numbers as such: pandas makes floats of a column with gaps."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _commands(result: StudyResult) -> str:
    folder = shlex.quote(str(result.dir.root))
    lines = [f"tunefleet resume {folder}"] if result.state == "interrupted" else []
    lines.append(f"tunefleet tensorboard {folder}")
    if result.study.database is None:
        lines.append(f"optuna-dashboard {shlex.quote(str(result.dir.journal))}")
    else:
        lines.append("optuna-dashboard URL    # the URL under 'database' in study.yaml")
    return "\n".join(lines)
