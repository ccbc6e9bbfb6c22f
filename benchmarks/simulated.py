"""An engine that trains nothing: workers that keep time by a clock of their own, and trials whose curves are known.

For the tests of the search loop, which so take milliseconds, and to measure how long workers stand idle.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from cluster.comparisons import Comparisons
from cluster.listener import Listener
from cluster.loop import SearchLoop
from cluster.recorder import Recorder
from search_spaces.choosing.rungs import Rungs
from search_spaces.space import Params
from search_spaces.study.study import Study
from search_spaces.trials.checkpoints import Checkpoints
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage, repair_journal
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Epoch, Outcome
from search_spaces.trials.proposal import Shape
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.study_dir import StudyDir
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.messages import Leg, Lost, Report

Curves = dict[int, list[tuple[int, float]]]


@dataclass
class _Begun:
    """A leg in training."""

    leg: Leg
    curves: Curves
    epoch: int


@dataclass
class Simulated:
    """An engine (see ``cluster.loop``).

    Args:
        workers: how many.
        epochs: of a trial.
        value: of a trial, by its number, its configuration and the epoch.
        seconds: per epoch of a trial, by number.
        deadly: numbers of trials that kill their worker, ``deadly_from`` an epoch on; with ``mercy`` so many times only.
    """

    workers: int
    epochs: int
    value: Callable[[int, dict[str, Any], int], float]
    seconds: Callable[[int], float] = lambda number: 1.0
    deadly: Sequence[int] = ()
    deadly_from: int = 0
    mercy: int = 1_000_000
    now: float = 0.0
    busy: float = 0.0
    legs: list[Leg] = field(default_factory=list)
    _events: list[tuple[float, int, _Begun]] = field(default_factory=list)

    def start(self, leg: Leg) -> None:
        """See :class:`cluster.loop.Engine`."""
        self.legs.append(leg)
        known = {} if leg.saved is None else json.loads(leg.saved)
        curves = {n: [(int(e), v) for e, v in known.get(str(n), [])] for n, _ in leg.trials}
        self._push(_Begun(leg, curves, leg.start), self._epoch_seconds(leg) * (leg.until > leg.start))

    def wait(self) -> list[Report | Lost]:
        """See :class:`cluster.loop.Engine`."""
        self.now, _, begun = heapq.heappop(self._events)
        leg = begun.leg
        if self.mercy and begun.epoch >= self.deadly_from and any(number in self.deadly for number, _ in leg.trials):
            self.mercy -= 1
            return [Lost(leg.cohort, "OSError: killed")]
        report = Report(leg.cohort)
        late = leg.deadline is not None and time.time() >= leg.deadline
        if begun.epoch < leg.until and not late:
            self._train(begun, report)
        report.epoch, report.done = begun.epoch, begun.epoch == leg.until or late
        if begun.epoch == self.epochs:
            report.ended = [self._outcome(n, begun.curves[n], TrialState.COMPLETE) for n, _ in leg.trials]
        else:
            report.live = tuple(n for n, _ in leg.trials)
        if not report.done:
            self._push(begun, self._epoch_seconds(leg))
        elif report.live:
            report.state = json.dumps(begun.curves).encode()
            report.paused = {n: self._outcome(n, begun.curves[n], TrialState.PRUNED) for n in report.live}
        return [report]

    def _train(self, begun: _Begun, report: Report) -> None:
        begun.epoch += 1
        self.busy += self._epoch_seconds(begun.leg)
        for number, params in begun.leg.trials:
            value = self.value(number, dict(params), begun.epoch)
            begun.curves[number].append((begun.epoch, value))
            report.epochs[number] = [Epoch(begun.epoch, value, value, 0.1, {"loss": value}, (value,))]

    def _push(self, begun: _Begun, seconds: float) -> None:
        heapq.heappush(self._events, (self.now + seconds, len(self.legs) * 1000 + begun.leg.cohort, begun))

    def _epoch_seconds(self, leg: Leg) -> float:
        return max(self.seconds(number) for number, _ in leg.trials)

    def _outcome(self, number: int, curve: list[tuple[int, float]], state: TrialState) -> Outcome:
        if not curve:
            return Outcome(number, state)
        best, value = min(curve, key=lambda point: (point[1], point[0])) if state is TrialState.COMPLETE else curve[-1]
        return Outcome(number, state, value, tuple(curve), best, {"loss": value, "parameters": 9.0})


def search_simulated(
    study: Study, folder: Path, engine: Simulated, shape_of: Callable[[Params], Shape], minutes_ago: float = 0.0
) -> TrialDatabase:
    """Search a study in a folder, or go on with it, as every study is searched; returns its trials.

    Args:
        study: whose task is never looked at.
        folder: of the study.
        engine: in place of one that trains.
        shape_of: of a configuration's networks.
        minutes_ago: when this run is said to have begun.
    """
    made, rule = StudyDir(folder), study.early_stopping.rule(engine.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    repair_journal(made.journal)
    database = TrialDatabase(open_storage(made.journal, None), study.name, [Objective()], rule.epochs if rule else ())
    known, exact = database.outcomes(), study.search.order == "exact"
    proposer = Proposer(study, database, shape_of, engine.workers)
    log = TensorBoardLog(made.tensorboard, study.search_space, engine.epochs)
    recorder = Recorder(proposer, [Objective()], log, Checkpoints(made.checkpoints), Listener())
    comparisons = Comparisons(Rungs(rule, Objective()), exact) if rule else None
    proposer.start_clock()
    proposer._started = (proposer._started or 0) - 60 * minutes_ago
    SearchLoop(proposer, engine, recorder, comparisons, engine.epochs, exact).run(known)
    return database
