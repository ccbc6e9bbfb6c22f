"""Ask and tell: proposing trials with an Optuna sampler, and keeping the trial database in step.

The sampler looks at a copy of the study in memory (0.1 ms a trial); the database on disk receives every trial when
it is proposed and when it is finished.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from search_spaces.choosing.genetic import room
from search_spaces.space import Params
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase, memory_database
from search_spaces.trials.limits import Tally
from search_spaces.trials.objectives import Objectives, judged, listed
from search_spaces.trials.outcome import Outcome

NOTE_SECONDS = 1.0
"""Between two notes of the search's time in the database."""


@dataclass(frozen=True)
class Proposal:
    """A trial to be run: its number and its configuration."""

    number: int
    params: Params


class Proposer:
    """Proposes the trials of one study; built over a database with trials in it, it goes on from there.

    Args:
        study: what is searched.
        database: its trials.
        objectives: what is optimised.
        past: completed trials of another study, whole configurations of this space, that inform the sampler. They
            come before the study's own trials in memory, and are none of them: not in the database, not counted.
    """

    def __init__(
        self, study: Study, database: TrialDatabase, objectives: Objectives, past: Sequence[FrozenTrial] = ()
    ) -> None:
        self._study, self._mode = study, listed(objectives)[0].mode
        self._space = study.search_space
        self.total = study.trials
        self._enqueued = study.search.enqueue
        options = study.search.options
        past = options.lessons(past, minimise=self._mode == "min")
        self._sampler = options.informed_draws(self._space, study.search.seed, past)
        self._generation = options.generation
        self.population = None if study.search.pbt is None else study.search.pbt.population
        self._database = database
        self._memory = memory_database(study.name, objectives)
        self._asked = 0
        self._past = len(past)
        self._before, self._noted = database.seconds, database.seconds
        self._started: float | None = None
        self.unfinished: list[Proposal] = []
        for trial in past:
            self._memory.copy(trial)
        self._finished: set[int] = set()
        for trial in database.trials():
            self._memory.copy(trial)
            self._asked += 1
            if trial.state is TrialState.RUNNING:
                self.unfinished.append(Proposal(trial.number, trial.params))
            else:
                self._finished.add(trial.number)
        self._optuna = optuna.load_study(study_name=study.name, storage=self._memory.storage)
        if self.population:
            self._make_whole(self.population)

    def finished(self, number: int) -> bool:
        """Whether a trial is finished; one that runs all the same does so for the others of its population."""
        return number in self._finished

    @property
    def remaining(self) -> int:
        """Trials that have not been proposed yet."""
        return max(0, self.total - self._asked)

    @property
    def tally(self) -> Tally:
        """How far the search is."""
        return Tally.of(self._memory.trials()[self._past :], self.seconds, self._mode)

    @property
    def seconds(self) -> float:
        """Wall-clock time of the search, over all runs."""
        return self._before + (0.0 if self._started is None else max(0.0, time.time() - self._started))

    @property
    def deadline(self) -> float | None:
        """When the time of the search is over, as ``time.time()`` has it."""
        if self._study.limits.minutes is None:
            return None
        return (self._started or time.time()) + self._study.limits.seconds - self._before

    @property
    def out_of_time(self) -> bool:
        """Whether the time of the search is over."""
        return self._study.limits.out_of_time(self.seconds)

    @property
    def ended_by(self) -> str | None:
        """The limit that ended the search, in words; None for one that has not ended."""
        return self._study.limits.reached(self.tally, self.total)

    def start_clock(self) -> None:
        """The search begins, or goes on: from now on its time counts."""
        self._started = time.time()

    def stop_clock(self) -> None:
        """The search ends, or is interrupted."""
        self._before, self._started = self.seconds, None
        self._database.note_seconds(self._before)

    @property
    def block(self) -> int | None:
        """Trials that belong together, a generation or a population; None where each is by itself."""
        return self._generation or self.population

    @property
    def room(self) -> int:
        """Trials that may be proposed now: what the limits leave, and of it what the running generation lacks."""
        left = self.remaining
        if left and self._study.limits.bound:
            left = self._study.limits.room(self.tally, self.total, self._study.task_options.epochs)
        if self.population and left:
            left = max(left, self.population)  # never in part
        if self._generation is None or not left:
            return left
        return min(left, room(self._memory.trials(), self._generation))

    def ask(self, count: int) -> Sequence[Proposal]:
        """Propose up to ``count`` new trials; fewer where there is no room for more."""
        return [self._ask_one() for _ in range(min(count, self.room))]

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record a running trial's value at a rung."""
        self._database.report(number, epoch, value)

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome as it will be recorded: see ``search_spaces.trials.objectives.judged``."""
        return judged(outcome, self._database.objectives)

    def tell(self, outcome: Outcome) -> None:
        """Finish a trial, for the database and for the sampler."""
        self._database.finish(outcome)
        self._finished.add(outcome.number)
        self._memory.finish(replace(outcome, number=outcome.number + self._past))
        if self._started is not None and self.seconds - self._noted >= NOTE_SECONDS:
            self._noted = self.seconds
            self._database.note_seconds(self._noted)

    def _make_whole(self, population: int) -> None:
        """A population goes on with all its members or not at all: a kill may have come as it was proposed or recorded."""
        while self._asked % population:
            self.unfinished.append(self._ask_one())
        begun = {p.number // population for p in self.unfinished}
        self.unfinished = [
            Proposal(t.number, t.params) for t in self._database.trials() if t.number // population in begun
        ]

    def _ask_one(self) -> Proposal:
        self._optuna.sampler = self._sampler(self._asked)
        if self._asked < len(self._enqueued):
            self._optuna.enqueue_trial(self._enqueued[self._asked])
        trial = self._optuna.ask()
        params = self._space.suggest(trial)
        # With what the sampler noted about it: TPE reads its notes on running trials when it proposes the next.
        self._database.copy(self._memory.trial(trial.number))
        self._asked += 1
        return Proposal(trial.number - self._past, params)
