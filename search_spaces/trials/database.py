"""The trial database: an Optuna study that every sampler fills, whichever it is.

It is a journal file unless the study names an Optuna database URL, so ``optuna.load_study``, optuna-dashboard and
``optuna.visualization`` read it. A trial is added as RUNNING when it is proposed and finished exactly once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome

SEARCH_SECONDS = "search_seconds"
"""User attribute of the Optuna study: wall-clock time of the search, over all runs."""


class TrialDatabase:
    """One Optuna study in one Optuna storage.

    Args:
        storage: any Optuna storage.
        name: the study's name in it; created if it is missing.
        objectives: what a trial's values are, by which names Optuna's own pages show them.
        rungs: epochs whose values are always kept when a curve is thinned.
    """

    def __init__(
        self, storage: BaseStorage, name: str, objectives: Sequence[Objective], rungs: tuple[int, ...] = ()
    ) -> None:
        self.storage = storage
        self.name = name
        self.objectives = list(objectives)
        self._rungs = rungs
        try:
            self._study = storage.get_study_id_from_name(name)
        except KeyError:
            verbosity = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce every copy in memory
            self._study = storage.create_new_study([o.direction for o in self.objectives], name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.load_study(study_name=name, storage=storage).set_metric_names([o.name for o in self.objectives])
            optuna.logging.set_verbosity(verbosity)

    def trials(self) -> list[FrozenTrial]:
        """All trials by number, to be looked at only: storages give out what they hold."""
        return list(self.storage.get_all_trials(self._study, deepcopy=False))

    def outcomes(self) -> list[Outcome]:
        """The records of all trials, by number."""
        return [Outcome.of(trial) for trial in self.trials()]

    def trial(self, number: int) -> FrozenTrial:
        """One trial."""
        return self.storage.get_trial(self._id(number))

    @property
    def seconds(self) -> float:
        """Wall-clock time of the search, over all runs."""
        return float(self.storage.get_study_user_attrs(self._study).get(SEARCH_SECONDS, 0.0))

    def note_seconds(self, seconds: float) -> None:
        """Record the time of the search."""
        self.storage.set_study_user_attr(self._study, SEARCH_SECONDS, round(seconds, 3))

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial exactly as it stands in another database; its number is the count of those before it."""
        self.storage.create_new_trial(self._study, template_trial=trial)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record the value of a running trial at an epoch."""
        self.storage.set_trial_intermediate_value(self._id(number), epoch, value)

    def finish(self, outcome: Outcome) -> None:
        """Finish a running trial: its attributes, its thinned curve, and its state last of all."""
        trial = self._id(outcome.number)
        for key, attribute in outcome.attributes().items():
            self.storage.set_trial_user_attr(trial, key, attribute)
        known = self.storage.get_trial(trial).intermediate_values
        for epoch, point in outcome.points(self._rungs).items():
            if epoch not in known:
                self.storage.set_trial_intermediate_value(trial, epoch, point)
        values = None if outcome.state is TrialState.FAIL else outcome.values(self.objectives)
        self.storage.set_trial_state_values(trial, outcome.state, values)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self._study, number)


def memory_database(name: str, objectives: Sequence[Objective], rungs: tuple[int, ...] = ()) -> TrialDatabase:
    """A database in this process: what the samplers look at, a hundred times faster than a file."""
    return TrialDatabase(InMemoryStorage(), name, objectives, rungs)
