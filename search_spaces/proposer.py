"""Ask and tell: proposing trials with an Optuna sampler, and keeping the trial database in step.

The sampler looks at a copy of the study in memory (0.1 ms a trial); the database on disk receives every trial when
it is proposed and when it is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from search_spaces.database import TrialDatabase, memory_database
from search_spaces.genetic import room
from search_spaces.objectives import Objectives, judged
from search_spaces.outcome import Outcome
from search_spaces.space import Params
from search_spaces.study import Study


@dataclass(frozen=True)
class Proposal:
    """A trial to be run: its number and its configuration."""

    number: int
    params: Params


class Proposer:
    """Proposes the trials of one study; built over a database with trials in it, it goes on from there."""

    def __init__(self, study: Study, database: TrialDatabase, objectives: Objectives) -> None:
        self._space = study.search_space
        self.total = study.trials
        self._enqueued = study.search.enqueue
        self._sampler = study.search.options.draws(self._space, study.search.seed)
        self._generation = study.search.options.generation
        self.population = None if study.search.pbt is None else study.search.pbt.population
        self._database = database
        self._memory = memory_database(study.name, objectives)
        self._asked = 0
        self.unfinished: list[Proposal] = []
        for trial in database.trials():
            self._memory.copy(trial)
            self._asked += 1
            if trial.state is TrialState.RUNNING:
                self.unfinished.append(Proposal(trial.number, trial.params))
        self._optuna = optuna.load_study(study_name=study.name, storage=self._memory.storage)

    @property
    def remaining(self) -> int:
        """Trials that have not been proposed yet."""
        return max(0, self.total - self._asked)

    @property
    def block(self) -> int | None:
        """Trials that belong together, a generation or a population; None where each is by itself."""
        return self._generation or self.population

    @property
    def room(self) -> int:
        """Trials that may be proposed now: the remaining ones, or of them what the running generation lacks."""
        if self._generation is None or not self.remaining:
            return self.remaining
        return min(self.remaining, room(self._memory.trials(), self._generation))

    def ask(self, count: int) -> Sequence[Proposal]:
        """Propose up to ``count`` new trials; fewer where there is no room for more."""
        return [self._ask_one() for _ in range(min(count, self.room))]

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record a running trial's value at a rung."""
        self._database.report(number, epoch, value)

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome as it will be recorded: see ``search_spaces.objectives.judged``."""
        return judged(outcome, self._database.objectives)

    def tell(self, outcome: Outcome) -> None:
        """Finish a trial, for the database and for the sampler."""
        self._database.finish(outcome)
        self._memory.finish(outcome)

    def _ask_one(self) -> Proposal:
        self._optuna.sampler = self._sampler(self._asked)
        if self._asked < len(self._enqueued):
            self._optuna.enqueue_trial(self._enqueued[self._asked])
        trial = self._optuna.ask()
        params = self._space.suggest(trial)
        # With what the sampler noted about it: TPE reads its notes on running trials when it proposes the next.
        self._database.copy(self._memory.trial(trial.number))
        self._asked += 1
        return Proposal(trial.number, params)
