"""The trial database: an Optuna study that every sampler fills, whichever it is.

It is a journal file unless the study names an Optuna database URL, so ``optuna.load_study``, optuna-dashboard and
``optuna.visualization`` read it. A trial is added as RUNNING when it is proposed and finished exactly once.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search_spaces.errors import OutputError, reason
from search_spaces.study.fields import without_password
from search_spaces.trials.objectives import Objectives, judged, listed, values_of
from search_spaces.trials.outcome import Outcome, State, thin

SECONDS = "search_seconds"
"""User attribute of the Optuna study: wall-clock time of the search, over all runs."""

_RECORD = b'{"op_code"'
"""How each line of a journal begins."""


class TrialDatabase:
    """One Optuna study in one Optuna storage.

    Args:
        storage: any Optuna storage.
        name: the study's name in it; created if it is missing.
        objectives: what a trial's values are, by which names Optuna's own pages show them.
        rungs: epochs whose values are always kept when a curve is thinned.
    """

    def __init__(self, storage: BaseStorage, name: str, objectives: Objectives, rungs: tuple[int, ...] = ()) -> None:
        self.storage = storage
        self.name = name
        self.objectives = listed(objectives)
        self._rungs = frozenset(rungs)
        try:
            self._study = storage.get_study_id_from_name(name)
        except KeyError:
            directions = [
                StudyDirection.MINIMIZE if o.mode == "min" else StudyDirection.MAXIMIZE for o in self.objectives
            ]
            verbosity = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce every copy in memory
            self._study = storage.create_new_study(directions, name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                names = [objective.name for objective in self.objectives]
                optuna.load_study(study_name=name, storage=storage).set_metric_names(names)
            optuna.logging.set_verbosity(verbosity)

    def trials(self) -> list[FrozenTrial]:
        """All trials by number, to be looked at only: storages give out what they hold."""
        return list(self.storage.get_all_trials(self._study, deepcopy=False))

    def trial(self, number: int) -> FrozenTrial:
        """One trial."""
        return self.storage.get_trial(self._id(number))

    @property
    def seconds(self) -> float:
        """Wall-clock time of the search, over all runs."""
        return float(self.storage.get_study_user_attrs(self._study).get(SECONDS, 0.0))

    def note_seconds(self, seconds: float) -> None:
        """Record the time of the search."""
        self.storage.set_study_user_attr(self._study, SECONDS, round(seconds, 3))

    def copy(self, trial: FrozenTrial) -> None:
        """Add a trial exactly as it stands in another database; its number is the count of those before it."""
        self.storage.create_new_trial(self._study, template_trial=trial)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record the value of a running trial at an epoch."""
        self.storage.set_trial_intermediate_value(self._id(number), epoch, value)

    def finish(self, outcome: Outcome) -> None:
        """Finish a running trial: its attributes, its thinned curve, and its state last of all; see :func:`passed`."""
        outcome, trial = judged(outcome, self.objectives), self._id(outcome.number)
        for key, attribute in outcome.attributes().items():
            self.storage.set_trial_user_attr(trial, key, attribute)
        known = self.storage.get_trial(trial).intermediate_values
        keep = self._rungs if outcome.best_epoch is None else self._rungs | {outcome.best_epoch}
        for epoch, point in thin(outcome.curve, keep).items():
            if epoch not in known:
                self.storage.set_trial_intermediate_value(trial, epoch, point)
        values = None if outcome.state is State.FAIL else values_of(outcome, self.objectives)
        self.storage.set_trial_state_values(trial, TrialState[outcome.state.value], values)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self._study, number)


def passed(trial: FrozenTrial) -> dict[int, float]:
    """Values by epoch that the rungs of a resumed study start with.

    Of a trial that a kill left half finished the last is missing: it runs again, and may have been stopped there.
    """
    half_finished = None if trial.state.is_finished() else trial.user_attrs.get("epochs")
    return {epoch: value for epoch, value in trial.intermediate_values.items() if epoch != half_finished}


def memory_database(name: str, objectives: Objectives) -> TrialDatabase:
    """A database in this process: what the samplers look at, a hundred times faster than a file."""
    return TrialDatabase(InMemoryStorage(), name, objectives)


def open_storage(journal: Path, url: str | None) -> BaseStorage:
    """Open the study's storage: the journal file, or the database at ``url``.

    Raises:
        OutputError: if it cannot be opened.
    """
    try:
        if url is not None:
            return RDBStorage(url)
        return JournalStorage(JournalFileBackend(str(journal)))
    except Exception as error:  # Optuna passes on whatever the driver raises
        where = without_password(url or journal)
        raise OutputError(f"{where}: cannot be opened as a trial database, {reason(error)}") from error


def repair_journal(journal: Path) -> int:
    """Make a journal safe to append to after its writer was killed; returns the number of bytes cut off.

    A torn last line is cut (Optuna would append to it, and could read nothing after), and the dead writer's lock is
    removed (Optuna would wait 30 s for it). Call it only while no other process writes.

    Raises:
        OutputError: if the file is not a trial journal.
    """
    for lock in journal.parent.glob(journal.name + ".lock*"):
        lock.unlink(missing_ok=True)
    if not journal.exists():
        return 0
    data = journal.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines(keepends=True)
    if lines and not _is_record(lines[-1]):
        whole = whole[: -len(lines[-1])]
    if not (data.startswith(_RECORD) or _RECORD.startswith(data)):
        raise OutputError(f"{journal}: is not a trial journal of Optuna")
    if len(whole) < len(data):
        os.truncate(journal, len(whole))
    return len(data) - len(whole)


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
