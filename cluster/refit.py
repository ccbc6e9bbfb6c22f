"""Refitting the best configuration on the workers, then testing it: the first time that test data are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
import torch

from analysis.result import StudyResult
from cluster.listener import Listener
from cluster.loop import Engine
from cluster.place import Place
from cluster.prepared import FOLDS, REFIT, Prepared, cross_validated
from search_spaces.errors import SearchFailed
from search_spaces.trials.best import write_best, write_metrics
from search_spaces.trials.study_dir import StudyDir
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.data.batches import Data
from trainables.data.dataset import Pair
from trainables.data.folds import refit_split
from trainables.messages import Leg, Lost, Report
from trainables.plan import Plan
from trainables.refit import Refit, collected, cross_validated_metrics, evaluate, networks_of
from trainables.shape import trial_shape
from trainables.stack.rng import root_key

MOST_DEATHS = 2
"""Of the workers that train one leg."""


def refit(
    folder: StudyDir, prepared: Prepared, result: StudyResult, engine: Engine, place: Place, listener: Listener
) -> None:
    """Refit the best trial of a finished search, test it, and write the ``best`` folder.

    Raises:
        SearchFailed: if no trial has completed, or no refit trains to its end.
        DataError: if the test data cannot be read.
    """
    study, best, task = prepared.study, result.best, prepared.task
    options = study.refit
    schedule = tuple((epoch, {**params, **options.params}) for epoch, params in best.schedule)
    params = schedule[0][1] if schedule else {**best.params, **options.params}
    plan = _plan(prepared, best.epoch)
    (split,) = plan.splits
    rows = f"{len(split.train)} rows" + (f", {len(split.validation)} held out" if len(split.validation) else "")
    listener.message(f"refitting trial {best.number}: {options.seeds} x {plan.epochs} epochs on {rows}")
    # Networks that share no computation are spread over the workers; their numbers are the same either way.
    together = trial_shape(task, params, plan.splits, place.device).largest
    groups = [range(first, min(first + together, options.seeds)) for first in range(0, options.seeds, together)]
    legs = [
        Leg(-1 - i, tuple((n, params) for n in g), 0, plan.epochs, None, None, plan, schedule)
        for i, g in enumerate(groups)
    ]
    folded = -1 - len(legs)
    if options.folds:
        folds = cross_validated(study, prepared.dataset, split)
        again = replace(prepared.plan(), splits=folds, key=root_key(study.search.seed, FOLDS))
        legs.append(Leg(folded, ((0, params),), 0, again.epochs, None, None, again, schedule))
    reached = dict.fromkeys((leg.cohort for leg in legs), 0)

    def note(report: Report) -> None:
        if report.cohort != folded:
            reached[report.cohort] = report.epoch * len(groups[-1 - report.cohort])
            listener.refit_progress(sum(reached.values()), options.seeds * plan.epochs)

    reports = train_legs(engine, legs, note)
    of_folds = [report for report in reports if report.cohort == folded]
    fitted = collected([r for r in reports if r.cohort != folded], params, schedule, len(split.validation) > 0)
    if fitted.failures:
        listener.message(
            f"{len(fitted.failures)} of {options.seeds} refits failed and are left out: {fitted.failures[0]}"
        )
    saved = {"task": study.task, "params": fitted.params, "states": fitted.states}
    write_best(folder, fitted.params, lambda path: torch.save(saved, path))
    with folder.replacing(folder.best_history) as aside:
        pd.DataFrame(fitted.history).to_csv(aside, index=False)
    TensorBoardLog(folder.tensorboard, study.search_space, plan.epochs, prepared.objectives).refit(fitted.history)
    inputs, targets = prepared.dataset.all_rows
    held = (inputs[split.validation], targets[split.validation]) if len(split.validation) else None
    validation, test = (_measured(prepared, fitted, pair) for pair in (held, prepared.dataset.read_test()))
    write_metrics(folder, validation, test, cross_validated_metrics(of_folds, params) if of_folds else {})


def train_legs(engine: Engine, legs: Sequence[Leg], note: Callable[[Report], None]) -> list[Report]:
    """Train legs to their ends; returns all reports. ``note`` gets each as it comes.

    Raises:
        SearchFailed: if the worker of one dies again and again.
    """
    waiting, training = list(legs), dict[int, Leg]()
    deaths = dict.fromkeys((leg.cohort for leg in legs), 0)
    reports: list[Report] = []
    while waiting or training:
        while waiting and len(training) < engine.workers:
            leg = waiting.pop(0)
            training[leg.cohort] = leg
            engine.start(leg)
        for news in engine.wait():
            if isinstance(news, Report):
                reports.append(news)
                note(news)
                if news.done:
                    del training[news.cohort]
            elif isinstance(news, Lost) and news.cohort in training:
                deaths[news.cohort] += 1
                if deaths[news.cohort] >= MOST_DEATHS:
                    raise SearchFailed(f"the refit failed, its worker's process died: {news.reason}")
                reports = [report for report in reports if report.cohort != news.cohort]
                waiting.append(training.pop(news.cohort))
    return reports


def _plan(prepared: Prepared, best_epoch: int) -> Plan:
    """How the refit is trained; with ``track_test`` it looks at the test split after every epoch."""
    study, options = prepared.study, prepared.study.refit
    split = refit_split(prepared.dataset, options, study.task_options.split_seed)
    held_out = len(split.validation) > 0
    return Plan(
        splits=[split],
        epochs=options.epochs or (study.task_options.epochs if held_out else best_epoch),
        key=root_key(study.search.seed, REFIT),
        patience=options.patience if held_out else None,
        keep_best=True,
        changing=study.search.pbt is not None,
        watch=prepared.dataset.read_test() if options.track_test else None,
    )


def _measured(prepared: Prepared, fitted: Refit, pair: Pair | None) -> dict[str, float]:
    """Metrics of the refitted networks; here and not on a worker, which sees no test data but with ``track_test``."""
    if pair is None:
        return {}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = Data.on(device, *pair)
    networks = networks_of(prepared.task, fitted.params, fitted.states)
    return evaluate(prepared.task, networks, data.inputs, data.targets)
