"""Running a study from its first trial to its report: the one way through, for the command line and for Python."""

from __future__ import annotations

from pathlib import Path

from analysis.report import write_report
from analysis.result import StudyResult
from cluster.engines.ray_session import ray_session
from cluster.prepared import Prepared, prepare
from cluster.recorder import Listener
from cluster.refit import refit
from cluster.search import search
from cluster.warm_start import past_trials
from search_spaces.errors import OutputError, StudyError, TunefleetError
from search_spaces.study.fields import without_password
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase, open_storage, repair_journal
from search_spaces.trials.limits import Tally
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.study_dir import StudyDir
from trainables.task import Task


def run(
    study: Study,
    out: str | Path | None = None,
    data: str | Path | None = None,
    address: str | None = None,
    task: Task | None = None,
    listener: Listener | None = None,
) -> StudyResult:
    """Run a study in a new folder.

    Args:
        study: from ``Study.load``, or made in Python.
        out: the study's folder; ``results/<name>`` by default.
        data: folder of the task's data files.
        address: of a Ray cluster; by default Ray is started on this machine.
        task: a task object, instead of the one that the study names.
        listener: who is told of progress.

    Returns:
        The result, with ``best``, ``trials`` and ``refit``.

    Raises:
        TunefleetError: in one line, for anything that the user can mend.
    """
    prepared = prepare(_with_data(study, data), task)
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
    prepared = prepare(_with_data(extended or study, data), task)
    return _execute(folder, prepared, address, listener or Listener(), extended=extended)


def _with_data(study: Study, data: str | Path | None) -> Study:
    if data is None:
        return study
    return study.model_copy(update={"data_dir": str(Path(data).expanduser().resolve())})


def _execute(
    folder: StudyDir,
    prepared: Prepared,
    address: str | None,
    listener: Listener,
    fresh: bool = False,
    extended: Study | None = None,
) -> StudyResult:
    study = prepared.study
    with folder.locked(), prepared.shipped_by_value():
        if study.database is None and (lost := repair_journal(folder.journal)):
            listener.message(f"repaired {folder.journal.name}: cut off {lost} bytes of a torn last line")
        storage = open_storage(folder.journal, study.database)
        database = TrialDatabase(storage, study.name, prepared.objectives, prepared.rung_epochs)
        if fresh and database.trials():
            raise OutputError(
                f"{without_password(study.database)}: already holds trials of a study named '{study.name}'; give this one another name"
            )
        task = prepared.task
        past = past_trials(study, storage, task.mode, task.metric, listener.message, fresh)
        proposer = Proposer(study, database, prepared.objectives, past)
        if extended is not None:
            _check_extended(extended, proposer.tally)
            folder.write_text(folder.study_file, extended.to_yaml())
        to_search = proposer.ended_by is None
        if not fresh and not to_search:
            listener.message(f"the search is over, {proposer.ended_by}")
        if to_search or not folder.best_metrics.is_file():
            with ray_session(address, listener.message):
                if to_search:
                    folder.best_metrics.unlink(missing_ok=True)  # they mark a study whose refit is that of its trials
                    search(folder, prepared, database, proposer, listener)
                    if study.limits.bound and proposer.ended_by:
                        listener.message(f"the search is over, {proposer.ended_by}")
                try:
                    refit(folder, prepared, StudyResult(folder, prepared.task, prepared.dataset), listener)
                except TunefleetError:
                    write_report(StudyResult(folder, prepared.task, prepared.dataset))  # of the search, at least
                    raise
                listener.message("drawing the figures of the report")
                write_report(StudyResult(folder, prepared.task, prepared.dataset))
    return StudyResult(folder, prepared.task, prepared.dataset)


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
