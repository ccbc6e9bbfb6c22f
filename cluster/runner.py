"""Running a study from its first trial to its report: the one way through, for the command line and for Python."""

from __future__ import annotations

from pathlib import Path

from analysis.report import write_report
from analysis.result import StudyResult
from analysis.study_dir import StudyDir
from cluster.prepared import Prepared, prepare
from cluster.ray_session import ray_session
from cluster.recorder import Listener
from cluster.refit import refit
from cluster.search import search
from search_spaces.database import TrialDatabase, open_storage, repair_journal
from search_spaces.errors import OutputError, TunefleetError
from search_spaces.proposer import Proposer
from search_spaces.study import Study
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
) -> StudyResult:
    """Go on with a study that was interrupted: finished trials stay as they are, unfinished ones run again.

    Arguments and errors are those of :func:`run`; the data folder is remembered unless another is given.
    """
    folder = StudyDir.open(out)
    prepared = prepare(_with_data(folder.study(), data), task)
    return _execute(folder, prepared, address, listener or Listener())


def _with_data(study: Study, data: str | Path | None) -> Study:
    if data is None:
        return study
    return study.model_copy(update={"data_dir": str(Path(data).expanduser().resolve())})


def _execute(
    folder: StudyDir, prepared: Prepared, address: str | None, listener: Listener, fresh: bool = False
) -> StudyResult:
    study = prepared.study
    with folder.locked(), prepared.shipped_by_value():
        if study.database is None and (lost := repair_journal(folder.journal)):
            listener.message(f"repaired {folder.journal.name}: cut off {lost} bytes of a torn last line")
        storage = open_storage(folder.journal, study.database)
        database = TrialDatabase(storage, study.name, prepared.objectives, prepared.rung_epochs)
        if fresh and database.trials():
            raise OutputError(
                f"{study.database}: already holds trials of a study named '{study.name}'; give this one another name"
            )
        proposer = Proposer(study, database, prepared.objectives)
        to_search = bool(proposer.remaining or proposer.unfinished)
        if to_search or not folder.best_metrics.is_file():
            with ray_session(address, listener.message):
                if to_search:
                    search(folder, prepared, database, proposer, listener)
                try:
                    refit(folder, prepared, StudyResult(folder, prepared.task, prepared.dataset), listener)
                except TunefleetError:
                    write_report(StudyResult(folder, prepared.task, prepared.dataset))  # of the search, at least
                    raise
                listener.message("drawing the figures of the report")
                write_report(StudyResult(folder, prepared.task, prepared.dataset))
    return StudyResult(folder, prepared.task, prepared.dataset)
