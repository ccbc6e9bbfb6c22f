"""Running a study from its first trial to its report: the one way through, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from analysis.result import StudyResult
from cluster.engines import found_place
from cluster.listener import Listener
from cluster.place import Place
from cluster.prepared import Prepared, prepare
from cluster.refit import refit
from cluster.search import books, by_ray, search
from cluster.warm_start import past_trials
from search_spaces.errors import OutputError, StudyError, TunefleetError
from search_spaces.study.fields import without_password
from search_spaces.study.messages import made
from search_spaces.study.sections import Resources
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage, repair_journal
from search_spaces.trials.limits import Tally
from search_spaces.trials.study_dir import StudyDir
from trainables.task import Task


def run(
    study: Study,
    out: str | Path | None = None,
    data: str | Path | None = None,
    address: str | None = None,
    task: Task | None = None,
    listener: Listener | None = None,
    engine: str | None = None,
) -> StudyResult:
    """Run a study in a new folder.

    Args:
        study: from ``Study.load``, or made in Python.
        out: the study's folder; ``results/<name>`` by default.
        data: folder of the task's data files.
        address: of a Ray cluster; by default Ray is started on this machine.
        task: a task object, instead of the one that the study names.
        listener: who is told of progress.
        engine: in place of the study's ``resources.engine``: ``ray_tune`` or ``inline``.

    Returns:
        The result, with ``best``, ``trials`` and ``refit``.

    Raises:
        TunefleetError: in one line, for anything that the user can mend.
    """
    prepared = prepare(_at(study, data, engine), task)
    folder = StudyDir.create(out or Path("results") / study.name, prepared.study)
    try:
        return _execute(folder, prepared, address, listener or Listener(), fresh=True)
    except TunefleetError:
        folder.discard_if_unused()
        raise


def resume(
    out: str | Path,
    data: str | Path | None = None,
    address: str | None = None,
    task: Task | None = None,
    listener: Listener | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    engine: str | None = None,
) -> StudyResult:
    """Go on with a study that was interrupted: finished trials stay as they are, unfinished ones run again.

    ``trials``, ``minutes`` and ``epochs`` are new limits, which extend the study also where it is finished; the last
    two only where it has such a limit. Its best trial is then refitted and its report written again.

    The other arguments, and errors, are those of :func:`run`; the data folder is remembered unless another is given.
    """
    folder = StudyDir.open(out)
    study = folder.study()
    changes = {"search.trials": trials, "limits.minutes": minutes, "limits.epochs": epochs}
    changes = {key: value for key, value in changes.items() if value is not None}
    for key in changes.keys() - {"search.trials"}:
        if getattr(study.limits, key.removeprefix("limits.")) is None:
            raise StudyError(f"{key}: this study has no such limit to extend, got {changes[key]:g}")
    extended = Study.load(folder.study_file, changes) if changes else None
    prepared = prepare(_at(extended or study, data, engine), task)
    return _execute(folder, prepared, address, listener or Listener(), extended=extended)


def _at(study: Study, data: str | Path | None, engine: str | None) -> Study:
    """The study with other data, or another engine."""
    update: dict[str, Any] = {}
    if data is not None:
        update["data_dir"] = str(Path(data).expanduser().resolve())
    if engine is not None:
        resources = {**study.resources.model_dump(), "engine": engine}
        update["resources"] = made(Resources, resources, parents=("resources",))
    return study.model_copy(update=update)


def _execute(
    folder: StudyDir,
    prepared: Prepared,
    address: str | None,
    listener: Listener,
    fresh: bool = False,
    extended: Study | None = None,
) -> StudyResult:
    study, task = prepared.study, prepared.task
    with folder.locked():
        if study.database is None and (lost := repair_journal(folder.journal)):
            listener.message(f"repaired {folder.journal.name}: cut off {lost} bytes of a torn last line")
        storage = open_storage(folder.journal, study.database)
        rungs = prepared.rule.epochs if prepared.rule else ()
        database = TrialDatabase(storage, study.name, prepared.objectives, rungs)
        known = database.outcomes()
        if fresh and known:
            raise OutputError(
                f"{without_password(study.database)}: already holds trials of a study named '{study.name}'; give this one another name"
            )
        past = past_trials(study, storage, task.objective, listener.message, fresh)
        if extended is not None:
            _check_extended(extended, Tally.of(known, database.seconds, task.objective))
            folder.write_text(folder.study_file, extended.to_yaml())
        ended_by = study.ended_by(known, database.seconds, task.objective)
        if ended_by is not None:
            listener.message(f"the search is over, {ended_by}")
        if ended_by is None or not folder.best_metrics.is_file():
            with found_place(task, study.resources, folder.ray, address, listener.message) as place:
                _train(folder, prepared, database, past, place, listener, to_search=ended_by is None)
    return StudyResult(folder, task, prepared.dataset)


def _train(
    folder: StudyDir,
    prepared: Prepared,
    database: TrialDatabase,
    past: Sequence[FrozenTrial],
    place: Place,
    listener: Listener,
    to_search: bool,
) -> None:
    """Search, where anything is left to search, then refit and report."""
    study, task, known = prepared.study, prepared.task, database.outcomes()
    opened = partial(books, folder, prepared, database, past, place, listener)
    spread = to_search and by_ray(prepared, place)
    if to_search:
        folder.best_metrics.unlink(missing_ok=True)  # what there is of a refit is of other trials
    if spread:
        from cluster.engines.population import search_by_ray

        with opened() as (proposer, recorder):
            search_by_ray(folder, prepared, proposer, place, recorder)
    with place.engine(prepared.job(), max(study.refit.seeds, study.concurrency(place.workers))) as engine:
        if to_search and not spread:
            with opened() as (proposer, recorder):
                search(prepared, known, proposer, recorder, engine)
        if to_search and study.limits.bound:
            ended_by = study.ended_by(database.outcomes(), database.seconds, task.objective)
            listener.message(f"the search is over, {ended_by}")
        try:
            refit(folder, prepared, StudyResult(folder, task, prepared.dataset), engine, place, listener)
        except TunefleetError:
            _report(StudyResult(folder, task, prepared.dataset), listener)  # of the search, at least
            raise
    _report(StudyResult(folder, task, prepared.dataset), listener)


def _report(result: StudyResult, listener: Listener) -> None:
    from analysis.report import write_report  # takes a second to import, for which the first trial need not wait

    listener.message("drawing the figures of the report")
    write_report(result)


def _check_extended(study: Study, tally: Tally) -> None:
    """Raise StudyError if a new limit lies below what the study has used already."""
    used = {
        "search.trials": (study.trials, tally.proposed, "trials"),
        "limits.minutes": (study.limits.minutes, round(tally.seconds / 60, 2), "minutes"),
        "limits.epochs": (study.limits.epochs, tally.epochs, "epochs"),
    }
    for key, (limit, so_far, unit) in used.items():
        if limit is not None and limit < so_far:
            raise StudyError(f"{key}: this study has used {so_far} {unit} already, got {limit}")
