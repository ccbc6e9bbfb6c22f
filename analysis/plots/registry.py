"""All plots, and which of them a study gets: decided from shapes and types, so that a user's own task gets them too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from analysis.plots.network import weights
from analysis.plots.refit import confusion, decision_map, fit, refit_curves
from analysis.plots.refit.predictions import Predictions
from analysis.plots.search import curves, history, importances, pareto, schedules, slices
from analysis.plots.search.search import Search
from analysis.plots.style import Drawn, Missing
from analysis.result import StudyResult
from search_spaces.errors import TunefleetError, reason

Part = Literal["front", "search", "network"]
Source = TypeVar("Source")


@dataclass(frozen=True)
class Plot(Generic[Source]):
    """One plot.

    Args:
        name: of its file.
        title: its heading.
        part: of the report.
        make: draws it, or says why not; raises TunefleetError where something cannot be read.
        applies: whether it makes sense at all for such a source.
    """

    name: str
    title: str
    part: Part
    make: Callable[[Source], Drawn | Missing]
    applies: Callable[[Source], bool] = lambda source: True


@dataclass(frozen=True)
class Entry:
    """What became of one plot."""

    name: str
    title: str
    part: Part
    drawn: Drawn | Missing


def _unchanged(search: Search) -> bool:
    """Whether a trial's value belongs to the hyperparameters that it began with."""
    return not schedules.applies(search)


def _one_number(predictions: Predictions) -> bool:
    inputs, targets = predictions.train
    sizes = (math.prod(shape) for shape in (inputs.shape[1:], targets.shape[1:], predictions.output_shape))
    numbers = all(np.issubdtype(a.dtype, np.floating) for a in (inputs, targets))
    return numbers and all(size == 1 for size in sizes)


def _logits(predictions: Predictions) -> bool:
    return predictions.classes is not None


def _plane(predictions: Predictions) -> bool:
    inputs = predictions.train[0]
    return inputs.shape[1:] == (2,) and np.issubdtype(inputs.dtype, np.floating) and _logits(predictions)


FRONT: tuple[Plot[StudyResult], ...] = (
    Plot("pareto", "Pareto front", "front", pareto.plot, lambda result: len(result.objectives) > 1),
)
SEARCH: tuple[Plot[Search], ...] = (
    Plot("history", "Value of each trial", "search", history.plot),
    Plot("curves", "Learning curves", "search", curves.plot),
    Plot("schedules", "Hyperparameters as networks trained", "search", schedules.plot, schedules.applies),
    Plot("importances", "Importance of the hyperparameters", "search", importances.plot, _unchanged),
    Plot("slices", "Value against each hyperparameter", "search", slices.plot, _unchanged),
)
NETWORK: tuple[Plot[StudyResult], ...] = (
    Plot("refit_curves", "Refit: curves", "network", refit_curves.plot),
    Plot("weights", "Refit: weights of each layer", "network", weights.plot),
)
DATA: tuple[Plot[Predictions], ...] = (
    Plot("confusion", "Refit: confusion matrix on the test split", "network", confusion.plot, _logits),
    Plot("fit", "Refit: fit", "network", fit.plot, _one_number),
    Plot("decision_map", "Refit: decision map", "network", decision_map.plot, _plane),
)
NAMES = (*(p.name for p in FRONT), *(p.name for p in SEARCH), *(p.name for p in NETWORK), *(p.name for p in DATA))


def figures(result: StudyResult) -> Iterator[Entry]:
    """Draw every plot that applies to a study, one after the other."""
    if result.outcomes:
        yield from _made(FRONT, result)
        yield from _made(SEARCH, Search.of(result))
    if not result.dir.best_metrics.is_file():
        yield Entry("network", "The refitted network", "network", Missing("the study has not been refitted"))
        return
    yield from _made(NETWORK, result)
    try:
        predictions = Predictions(result)
    except TunefleetError as error:
        yield Entry("data", "The network on its data", "network", Missing(reason(error)))
        return
    yield from _made(DATA, predictions)


def _made(plots: tuple[Plot[Source], ...], source: Source) -> Iterator[Entry]:
    for plot in plots:
        if plot.applies(source):
            try:
                drawn = plot.make(source)
            except Exception as error:  # one figure less must not cost a finished study its report
                drawn = Missing(f"this figure could not be drawn, {reason(error)}")
            yield Entry(plot.name, plot.title, plot.part, drawn)
