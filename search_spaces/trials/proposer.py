"""Ask and tell: proposing trials with an Optuna sampler, and keeping the trial database in step.

The sampler looks at a copy of the study in memory (0.1 ms a trial); the database on disk receives every trial when
it is proposed and when it is finished. Trials that are proposed at one time are a wave.

**Orders.** With ``search.order: fast`` the sampler learns from a trial as soon as it has ended. With ``exact`` it learns
from trials in the order in which they would end if each of ``search.concurrency`` machines trained one of them, an epoch
taking as long as the trial's shape says: see :class:`Clock`. Real machines only decide how long that takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from search_spaces.choosing.genetic import room
from search_spaces.errors import reason
from search_spaces.space import Params
from search_spaces.study.study import Study
from search_spaces.trials.clock import Clock
from search_spaces.trials.database import TrialDatabase, memory_database
from search_spaces.trials.limits import Tally
from search_spaces.trials.outcome import WAVE, Outcome
from search_spaces.trials.proposal import Proposal, Shape

NOTE_SECONDS = 1.0
"""How often the search's running time is saved in the database, in seconds."""

Wave = list[Proposal]


class Note(NamedTuple):
    """What the database keeps of a trial's proposal, as its user attribute ``wave``.

    Args:
        first, size: lowest number and size of its wave.
        told: how many trials the sampler had learned from.
        cost: relative time of one of its epochs.
    """

    first: int
    size: int
    told: int
    cost: float = 1.0

    @classmethod
    def of(cls, trial: FrozenTrial) -> Note:
        """Read it. A trial that has none, or one that cannot be, is a wave of its own."""
        try:
            first, size, told, cost = trial.user_attrs[WAVE]
            if int(first) <= trial.number < int(first) + int(size) and int(told) <= int(first):
                return cls(int(first), int(size), int(told), float(cost))
        except (KeyError, TypeError, ValueError):
            pass
        return cls(trial.number, 1, 0)


class Proposer:
    """Proposes the trials of one study; built over a database with trials in it, it goes on from there.

    Args:
        study: what is searched.
        database: its trials.
        shape_of: what the networks of a configuration look like; raises if they cannot be built.
        workers: cohorts that can run at once; of some studies the default concurrency depends on it.
        past: completed trials of another study, whole configurations of this space, that inform the sampler. They
            come before the study's own trials in memory, and are none of them: not in the database, not counted.
    """

    def __init__(
        self,
        study: Study,
        database: TrialDatabase,
        shape_of: Callable[[Params], Shape] = lambda params: Shape("any"),
        workers: int = 1,
        past: Sequence[FrozenTrial] = (),
    ) -> None:
        self._study, self._database, self._shape_of = study, database, shape_of
        self.objective = database.objectives[0]
        self._space = study.search_space
        self.total = study.trials
        self.concurrency = study.concurrency(workers)
        options = study.search.options
        past = options.lessons(past, self.objective)
        self._sampler = options.informed_draws(self._space, study.search.seed, past)
        self._generation = options.generation
        self.population = None if study.search.pbt is None else study.search.pbt.population
        self._clock = Clock() if study.search.order == "exact" else None
        self._memory = memory_database(study.name, database.objectives)
        self._past = len(past)
        for trial in past:
            self._memory.add(trial)
        self._optuna = optuna.load_study(study_name=study.name, storage=self._memory.storage)
        self._asked = 0
        self._untold: dict[int, Outcome] = {}
        self._told = 0
        self._finished: set[int] = set()
        self._before, self._noted = database.seconds, database.seconds
        self._started: float | None = None
        self._unfinished: list[Wave] = []
        self._replay(database.trials())

    @property
    def block(self) -> int:
        """Trials of a wave: of one size, whenever they are proposed, since who shares a stack must not depend on timing."""
        together = self._generation or self.population
        if together or self.concurrency >= self.total:
            return min(self.concurrency, together or self.concurrency)
        return max(1, self.concurrency // 2)

    @property
    def tally(self) -> Tally:
        """How far the search is."""
        return Tally.of([self._untold.get(o.number, o) for o in self._known()], self.seconds, self.objective)

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

    def finished(self, number: int) -> bool:
        """Whether a trial is finished; one that trains all the same does so for the others of its stack."""
        return number in self._finished

    def unfinished(self) -> list[Wave]:
        """The waves that an interrupted run has left, from the first that is unfinished on, each whole: call it once."""
        left, self._unfinished = self._unfinished, []
        return left

    def propose(self) -> Wave | None:
        """The next wave; None while it has to wait for results, and once there are no more."""
        while True:
            size = min(self.block, self._room())
            if size and self._asked - self._told + size <= self.concurrency:
                return self.ask(size)
            if not self._learn():
                return None

    def ask(self, count: int) -> Wave:
        """A wave of so many trials, or of fewer where the limits leave no more, however many are pending."""
        return self._ask(min(count, self._room()), self._asked)

    def reached(self, number: int, epoch: int) -> None:
        """A trial has trained so many epochs."""
        if self._clock is not None:
            self._clock.reached(number, epoch)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record a running trial's value at a rung."""
        self._database.report(number, epoch, value)

    def tell(self, outcome: Outcome) -> None:
        """Finish a trial in the database; the sampler learns of it when its turn comes."""
        self._database.finish(outcome)
        self._finished.add(outcome.number)
        self._untold[outcome.number] = outcome
        if self._clock is None:
            self._learn()
        if self._started is not None and self.seconds - self._noted >= NOTE_SECONDS:
            self._noted = self.seconds
            self._database.note_seconds(self._noted)

    def _room(self) -> int:
        """Trials that may be proposed now: what the limits leave, and of it what the running generation lacks."""
        left = max(0, self.total - self._asked)
        if left and self._study.limits.bound:
            tally = Tally.of(self._known(), self.seconds, self.objective)
            left = self._study.limits.room(tally, self.total, self._study.task_options.epochs)
        if self.population and left:
            left = max(left, self.population)  # never in part
        if self._generation is None or not left:
            return left
        return min(left, room(self._memory.trials(), self._generation))

    def _known(self) -> list[Outcome]:
        """All trials as the sampler knows them."""
        trials = self._memory.trials()[self._past :]
        return [replace(Outcome.of(trial), number=number) for number, trial in enumerate(trials)]

    def _learn(self, again: bool = False) -> bool:
        """Tell the sampler of the next trial that has ended, if there is one whose turn it is, or was in an earlier run."""
        if not self._untold:
            return False
        number = next(iter(self._untold)) if self._clock is None else self._clock.next(self._untold, again)
        if number is None:
            return False
        outcome = self._untold.pop(number)
        self._memory.finish(replace(outcome, number=number + self._past))
        self._told += 1
        return True

    def _ask(self, size: int, first: int) -> Wave:
        """Propose the trials of a wave that are missing; ``size`` and ``first`` number are those of the whole."""
        return [self._ask_one(first, size) for _ in range(first + size - self._asked)]

    def _ask_one(self, first: int, size: int) -> Proposal:
        enqueued = self._study.search.enqueue
        self._optuna.sampler = self._sampler(self._asked)
        if self._asked < len(enqueued):
            self._optuna.enqueue_trial(enqueued[self._asked])
        trial = self._optuna.ask()
        proposal = self._shaped(self._asked, self._space.suggest(trial))
        cost = 1.0 if proposal.shape is None else proposal.shape.cost()
        # With what the sampler noted about it: TPE reads its notes on running trials when it proposes the next.
        trial.set_user_attr(WAVE, list(Note(first, size, self._told, cost)))
        self._database.add(self._memory.trial(trial.number))
        self._begin(proposal.number, cost)
        return proposal

    def _shaped(self, number: int, params: Params) -> Proposal:
        try:
            return Proposal(number, params, self._shape_of(params))
        except Exception as error:  # of a user's own network
            return Proposal(number, params, problem=reason(error))

    def _begin(self, number: int, cost: float) -> None:
        self._asked = number + 1
        if self._clock is not None:
            self._clock.begin(number, cost)

    def _replay(self, known: Sequence[FrozenTrial]) -> None:
        """Go through a database wave by wave: the sampler is told what it was told then, and the rest later.

        The last wave may lack trials, since a kill may have come as it was proposed.
        """
        outcomes = {t.number: Outcome.of(t) for t in known if t.state.is_finished()}
        self._finished = set(outcomes)
        number = 0
        while number < len(known):
            wave = Note.of(known[number])
            if wave.first != number:
                wave = Note(number, 1, 0)
            members = known[wave.first : wave.first + wave.size]
            while self._told < wave.told and self._learn(again=True):
                pass
            for trial in members:
                self._memory.add(_as_running(trial))
                self._begin(trial.number, Note.of(trial).cost)
                if trial.number in outcomes:
                    self._untold[trial.number] = outcomes[trial.number]
            while self._clock is None and self._learn():
                pass
            missing = self._ask(min(wave.size, max(len(members), self.total - number)), number)
            number = wave.first + wave.size
            if missing or self._unfinished or any(t.number not in outcomes for t in members):
                self._unfinished.append([self._shaped(t.number, t.params) for t in members] + missing)


def _as_running(trial: FrozenTrial) -> FrozenTrial:
    """A trial as it was when it was proposed."""
    return FrozenTrial(
        number=trial.number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=trial.datetime_start,
        datetime_complete=None,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={WAVE: trial.user_attrs[WAVE]} if WAVE in trial.user_attrs else {},
        system_attrs=trial.system_attrs,
        intermediate_values={},
        trial_id=-1,
    )
