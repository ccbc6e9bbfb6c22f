"""A worker: trains one cohort after the other, leg by leg. The same under every engine, and for the refit."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from optuna.trial import TrialState

from search_spaces.choosing.population import PopulationTraining, Schedule
from search_spaces.errors import reason
from search_spaces.trials.outcome import Outcome
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.dataset import Array
from trainables.messages import Leg, Report
from trainables.plan import Plan
from trainables.stack.fused import Traces
from trainables.task import Task

REPORT_SECONDS = 1.0
"""A worker reports about this often: the results of a stack are fat, so they should be few."""


@dataclass(frozen=True)
class Job:
    """What every worker of a study needs, from the start on.

    Args:
        task, inputs, targets: from the driver, which alone reads files.
        plan: splits, epochs, patience of the trials.
        threads: CPU threads per worker; more than its share makes torch many times slower.
        population: the rounds of population-based training, or None.
        checkpoint_seconds: training time between two checkpoints.
    """

    task: Task
    inputs: Array
    targets: Array
    plan: Plan
    threads: int = 1
    population: PopulationTraining | None = None
    checkpoint_seconds: float = 60.0


class Worker:
    """Holds the data on its device, the traced computations, and the cohort that it trained last.

    Args:
        job: what it works on.
        device: where it trains.
    """

    def __init__(self, job: Job, device: torch.device) -> None:
        self._job = job
        self._data = Data.on(device, job.inputs, job.targets)
        self._traces: Traces = {}
        self._leg: Leg | None = None
        self._cohort: Cohort | None = None
        self._saved_at = 0.0
        self._why = ""
        self._reported = False  # the very first epoch is told at once: somebody is waiting to see that it works

    def holds(self, leg: Leg) -> bool:
        """Whether it can go on with a leg's cohort as it stands, without its saved state."""
        held = self._leg is not None and self._cohort is not None and self._leg.cohort == leg.cohort
        return held and self._cohort is not None and self._cohort.epoch == leg.start

    def forget(self) -> None:
        """Let go of the cohort: the next leg begins with the state that comes with it, whatever is held here."""
        self._leg, self._cohort = None, None

    def params(self, trial: int) -> dict[str, Any]:
        """The hyperparameters that a trial of the cohort goes by now."""
        return {} if self._cohort is None else self._cohort.params(trial)

    def schedule(self, trial: int) -> Schedule:
        """The hyperparameters that a trial has been trained with so far; empty where they never changed."""
        return () if self._cohort is None else self._cohort.schedule(trial)

    def change(self, params: Mapping[str, Any]) -> None:
        """All trials of the cohort go on with other hyperparameters."""
        if self._cohort is not None:
            self._cohort.change(params)

    def begin(self, leg: Leg) -> None:
        """Take up a leg; :meth:`step` trains it."""
        if self.holds(leg) and self._cohort is not None:
            self._cohort.drop(set(self._cohort.live) - {number for number, _ in leg.trials})
        else:
            self._cohort = None  # frees its memory first
            try:
                self._cohort = self._made(leg)
            except Exception as error:  # the stack as a whole cannot be made: out of memory, say
                self._why = reason(error)
        self._leg, self._saved_at = leg, time.monotonic()

    def step(self) -> Report:
        """Train for about a second, or to the leg's end."""
        leg, cohort = self._leg, self._cohort
        if leg is None:
            raise RuntimeError("a worker without a leg has nothing to train")
        report = Report(leg.cohort, leg.start)
        if cohort is None:
            report.ended = [Outcome(n, TrialState.FAIL, reason=self._why) for n, _ in leg.trials]
            report.done = True
            return report
        started = time.monotonic()
        try:
            while not _over(cohort, leg):
                self._epoch(cohort, leg, report)
                if time.monotonic() - started >= REPORT_SECONDS or not self._reported:
                    break
            self._reported = True
            report.done = _over(cohort, leg)
        except Exception as error:  # trials fail one by one in Cohort; what gets here concerns all of them
            cohort.fail(reason(error))
            report.done = True
        report.epoch, report.live = cohort.epoch, tuple(cohort.live)
        report.why_loop, cohort.why_loop = cohort.why_loop, None
        report.ended, cohort.ended = cohort.ended, []
        report.weights = {n: [{k: v.cpu() for k, v in one.items()} for one in m] for n, m in cohort.weights.items()}
        cohort.weights = {}
        if report.done:
            report.paused = {number: cohort.outcome(number) for number in cohort.live}
        report.state = self._state(cohort, report.done)
        if not cohort.live:
            self._cohort = None
        return report

    def _made(self, leg: Leg) -> Cohort:
        saved = None if leg.saved is None else torch.load(io.BytesIO(leg.saved), weights_only=True)
        plan = leg.plan or self._job.plan
        cohort = Cohort(self._job.task, self._data, plan, leg.trials, self._traces, saved)
        cohort.drop(set(cohort.live) - {number for number, _ in leg.trials})
        return cohort

    def _epoch(self, cohort: Cohort, leg: Leg, report: Report) -> None:
        for epoch, params in leg.schedule:
            if epoch and epoch == cohort.epoch:
                cohort.change(params)
        results = cohort.advance()
        for number, result in results.items():
            report.epochs.setdefault(number, []).append(result)
        population = self._job.population
        if population is not None and leg.plan is None and population.due(cohort.epoch):
            _exploit(cohort, population, {number: results[number].value for number in cohort.live})

    def _state(self, cohort: Cohort, pause: bool) -> bytes | None:
        """A checkpoint, where the leg is over and more may come, or where the last is old."""
        due = time.monotonic() - self._saved_at >= self._job.checkpoint_seconds
        if not cohort.live or not (pause or due):
            return None
        self._saved_at = time.monotonic()
        file = io.BytesIO()
        torch.save(cohort.state(), file)
        return file.getvalue()


def _over(cohort: Cohort, leg: Leg) -> bool:
    late = leg.deadline is not None and time.time() >= leg.deadline
    return not cohort.live or cohort.epoch >= leg.until or late


def _exploit(cohort: Cohort, population: PopulationTraining, values: dict[int, float]) -> None:
    for move in population.moves(cohort.epoch, values, {number: cohort.params(number) for number in values}):
        cohort.exploit(move.target, move.source, move.params)
