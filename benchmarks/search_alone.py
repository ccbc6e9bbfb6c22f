"""A search alone, without refit and report, in this process or on Ray; and a listener that counts its epochs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster.engines import found_place
from cluster.listener import Listener
from cluster.prepared import Prepared
from cluster.search import books, by_ray, search
from search_spaces.study.sections import Resources
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.study_dir import StudyDir
from trainables.messages import Report


@dataclass
class Progress(Listener):
    """Counts the epochs of all trials, and notes when a completed one was better than all before."""

    epochs: int = 0
    steps: list[tuple[int, float]] = field(default_factory=list)

    def reported(self, report: Report) -> None:
        """See :class:`Listener`."""
        self.epochs += sum(len(epochs) for epochs in report.epochs.values())

    def trial_ended(self, outcome: Outcome) -> None:
        """See :class:`Listener`."""
        better = outcome.value is not None and (not self.steps or outcome.value < self.steps[-1][1])
        if outcome.complete and outcome.value is not None and better:
            self.steps.append((self.epochs, outcome.value))


def search_alone(
    prepared: Prepared,
    folder: Path,
    engine: str = "inline",
    listener: Listener | None = None,
    workers: int | None = None,
) -> TrialDatabase:
    """Search a study in a folder, or go on with it; returns its trials.

    Args:
        prepared: the study.
        folder: of the study; its journal and checkpoints are written there.
        engine: as in ``resources.engine``.
        listener: who watches.
        workers: most of them at a time.
    """
    study, made, task = prepared.study, StudyDir(folder), prepared.task
    listener = listener or Listener()
    folder.mkdir(parents=True, exist_ok=True)
    storage = open_storage(made.journal, study.database)
    database = TrialDatabase(storage, study.name, prepared.objectives, prepared.rule.epochs if prepared.rule else ())
    known = database.outcomes()
    resources = Resources(**{**study.resources.model_dump(), "engine": engine})
    with (
        found_place(task, resources, made.ray, None, listener.message) as place,
        books(made, prepared, database, (), place, listener) as (proposer, recorder),
    ):
        if by_ray(prepared, place):
            from cluster.engines.population import search_by_ray

            search_by_ray(made, prepared, proposer, place, recorder)
        else:
            with place.engine(prepared.job(), workers or study.concurrency(place.workers)) as opened:
                search(prepared, known, proposer, recorder, opened)
    return database


@contextmanager
def searched(prepared: Prepared, engine: str = "inline") -> Iterator[tuple[TrialDatabase, Progress]]:
    """Search a study in a folder that is gone afterwards."""
    progress = Progress()
    with tempfile.TemporaryDirectory() as folder:
        yield search_alone(prepared, Path(folder) / "out", engine, progress), progress
