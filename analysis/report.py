"""The HTML report of a study: what came out, drawn and in numbers."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from analysis import page, pareto
from analysis.plots.registry import NAMES, Entry, Part, figures
from analysis.plots.search.source import metric_name
from analysis.plots.style import MARKS, Drawn, Missing, listing, number, plural
from analysis.result import BestTrial, StudyResult
from search_spaces.errors import SearchFailed
from search_spaces.trials.outcome import ATTRIBUTES
from search_spaces.trials.study_dir import StudyDir

DPI = 150
BROAD = 8.0
"""Width in inches from which on a figure takes the whole width of the page."""


@dataclass(frozen=True)
class Metric:
    """One metric over the refitted networks; the last three only with several of them."""

    name: str
    median: float
    low: float | None = None
    high: float | None = None
    ensemble: float | None = None


TITLES = {"validation": "validation", "test": "test", "kfold": "k-fold"}
"""What the refit is measured by, in words."""


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
    result.dir.write_text(result.dir.report_page, page.page(f"{result.study.name}: tunefleet", _body(result, entries)))
    return result.dir.report_page


def picture(folder: StudyDir, name: str) -> Path:
    """Where the figure of a plot is written."""
    return folder.figures / f"{name}.png"


def metrics_of(measured: Mapping[str, float]) -> list[Metric]:
    """Group what ``trainables.refit.summary`` returned by metric."""
    parts = ("min", "max", "ensemble")
    derived = {f"{name}_{part}" for name in measured for part in parts}
    return [
        Metric(name, value, *(measured.get(f"{name}_{part}") for part in parts))
        for name, value in measured.items()
        if name not in derived
    ]


def _body(result: StudyResult, entries: list[Entry]) -> Iterator[str]:
    study, trials = result.study, result.trials
    best = _best(result)
    ended = trials["state"].isin(("COMPLETE", "PRUNED", "FAIL")).sum()
    state = result.state
    yield f"<header><h1>{page.text(study.name)}</h1>"
    yield (
        f'<p class="about">task {page.text(study.task)} · {page.text(study.search.method)} · '
        f"{f'{ended} of ' if study.bounded else ''}{plural(study.trials if study.bounded else ended, 'trial')} ended · seed {study.search.seed} · "
        f'<span class="state{" bad" if state == "failed" else ""}">{state}</span></p></header>'
    )
    refit = result.summary()["refit"]
    yield "<main>"
    yield from _headline(result, best, refit)
    yield f'<div class="figures">{"".join(_configuration(result, best, refit))}</div>'
    yield from _figures("The Pareto front", entries, "front", page.table(*pareto.table(result.pareto), sortable=True))
    yield from _figures("The search", entries, "search")
    yield from _figures("The refitted network", entries, "network")
    yield f"<h2>All trials</h2>{_trials(trials, result, best)}" if len(trials) else ""
    yield f"<h2>What to type next</h2><pre>{page.text(_commands(result, state))}</pre>"
    yield "</main>"


def _best(result: StudyResult) -> BestTrial | None:
    try:
        return result.best if result.frozen_trials else None
    except SearchFailed:
        return None


def _headline(result: StudyResult, best: BestTrial | None, refit: Mapping[str, Any] | None) -> Iterator[str]:
    if best is None:
        yield f'<p class="card bad">{page.text(_why_no_best(result.trials))}</p>'
        return
    metric = metric_name(result)
    yield '<div class="numbers">'
    yield page.card("best trial", str(best.number), f"best epoch {best.epoch}")
    rank = "lowest" if result.mode == "min" else "highest"
    yield page.card(f"validation {metric}", number(best.value), f"{rank} of the completed trials")
    for one in metrics_of(refit["test"]) if refit else []:
        below = "refitted network, one seed"
        if one.low is not None and one.high is not None and one.ensemble is not None:
            below = f"median of the seeds, {number(one.low)} to {number(one.high)}; ensemble {number(one.ensemble)}"
        yield page.card(f"test {one.name}", number(one.median), below)
    yield "</div>"
    if refit is None:
        yield '<p class="note">The best configuration has not been refitted yet, so there are no test metrics.</p>'
    elif not refit["test"]:
        yield '<p class="note">The task has no test split, so there are no test metrics.</p>'


def _why_no_best(trials: pd.DataFrame) -> str:
    if not len(trials):
        return "No trial has been proposed yet."
    counts = trials["state"].value_counts()
    found = listing([f"{count} {MARKS[TrialState[str(state)]].label}" for state, count in counts.items()])
    failed = trials[trials["state"] == "FAIL"]
    first = f" Trial {failed['number'].iloc[0]}: {failed['reason'].iloc[0] or 'reason unknown'}." if len(failed) else ""
    return f"There is no best trial: none of {plural(len(trials), 'trial')} has completed ({found}).{first}"


def _configuration(result: StudyResult, best: BestTrial | None, refit: Mapping[str, Any] | None) -> Iterator[str]:
    if best is not None:
        parameters = result.study.search_space.by_name
        rows = [
            (name, page.shown(value), _range(parameters[name].distribution) if name in parameters else "")
            for name, value in best.params.items()
        ]
        configuration = page.table(("hyperparameter", "value", "searched"), rows)
        other = ", ".join(f"{name} {page.shown(value)}" for name, value in result.study.refit.params.items())
        note = f'<p class="note">The refit takes {page.text(other)} instead.</p>' if other else ""
        yield f"<section><h2>Best configuration</h2>{configuration}{note}</section>"
    yield "<section>"
    for split, metrics_there in (refit or {}).items():
        if metrics := metrics_of(metrics_there):
            rows_of = [(m.name, m.median, m.low, m.high, m.ensemble) for m in metrics]
            wide = ("metric", "median", "min", "max", "ensemble")
            several = any(m.ensemble is not None for m in metrics)
            columns = wide if several else ("metric", "value")
            yield f"<h2>Refit: {TITLES[split]} metrics</h2>{page.table(columns, [r[: len(columns)] for r in rows_of])}"
    yield "</section>"


def _range(distribution: BaseDistribution) -> str:
    if distribution.single():
        return "constant"
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(page.shown, distribution.choices))
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return ""
    step = distribution.step
    steps = "log" if distribution.log else f"step {page.shown(step)}" if step not in (None, 1) else ""
    return f"{number(distribution.low)} to {number(distribution.high)}" + (f" ({steps})" if steps else "")


def _figures(title: str, entries: Iterable[Entry], part: Part, beside: str = "") -> Iterator[str]:
    mine = [entry for entry in entries if entry.part == part]
    drawn = [
        page.figure(e.title, f"figures/{e.name}.png", e.drawn.caption, e.drawn.figure.get_figwidth() > BROAD)
        for e in mine
        if isinstance(e.drawn, Drawn)
    ]
    left_out = [(e.title, e.drawn.reason) for e in mine if isinstance(e.drawn, Missing)]
    if mine:
        yield f"<h2>{title}</h2>"
    if drawn:
        yield f'<div class="figures">{"".join(drawn)}{beside}</div>'
    for heading, why in left_out:
        yield f'<p class="note"><b>{page.text(heading)}</b> is left out: {page.text(why)}.</p>'


def _trials(trials: pd.DataFrame, result: StudyResult, best: BestTrial | None) -> str:
    space = result.study.search_space.by_name
    fixed = {f"params_{name}" for name, p in space.items() if p.constant}
    last = ["reason"] if trials["reason"].notna().any() else []
    long = {"reason", "schedule"}  # the one comes last where there is any, the other has a figure
    first = ["number", "state", "value", *(name for name in ATTRIBUTES if name not in long)]
    middle = [c for c in trials.columns if c not in {*first, *long, *fixed}]
    columns = [*first, *middle, *last]
    rows = trials[columns].astype(object).where(trials[columns].notna(), None).itertuples(index=False)
    heads = ["trial", *(c.removeprefix("params_").removeprefix("metrics_") for c in columns[1:])]
    emphasised = None if best is None else best.number
    return page.table(heads, (list(map(_plain, row)) for row in rows), emphasised, sortable=True)


def _plain(value: Any) -> Any:
    """Whole numbers as such: pandas makes floats of a column with gaps."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _commands(result: StudyResult, state: str) -> str:
    folder = shlex.quote(str(result.dir.root))
    lines = [f"tunefleet resume {folder}"] if state == "interrupted" else []
    lines.append(f"tunefleet tensorboard {folder}")
    if result.study.database is None:
        lines.append(f"optuna-dashboard {shlex.quote(str(result.dir.journal))}")
    else:
        lines.append("optuna-dashboard URL    # the URL under 'database' in study.yaml")
    return "\n".join(lines)
