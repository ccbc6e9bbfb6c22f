"""The Ray Tune trainable: one Tune trial is one cohort. The only module here that knows Ray."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from search_spaces.choosing.population import PopulationTraining
from search_spaces.choosing.rungs import Decision
from search_spaces.errors import reason
from search_spaces.trials.checkpoints import load_checkpoint, save_checkpoints
from search_spaces.trials.limits import OUT_OF_TIME
from search_spaces.trials.outcome import Outcome, State
from trainables.cohort import Cohort
from trainables.data.dataset import Array
from trainables.plan import Data, Plan
from trainables.report import CohortConfig, CohortReport
from trainables.stack.fused import Traces
from trainables.stack.rng import root_key
from trainables.task import Task

REPORT_SECONDS = 1.0
"""A worker reports about this often: results of a cohort are fat, so they should be few."""


@dataclass(frozen=True)
class Job:
    """What every worker of a study needs; Ray stores it once, and workers read its arrays without a copy.

    Args:
        task, inputs, targets: from the driver, which alone reads files.
        plan: splits, epochs, early stopping.
        threads: CPU threads per worker; more than its share makes torch many times slower.
        rungs: handle of the actor that holds the study's ``Rungs``, or None where no rule compares trials.
        rung_epochs: where it wants to be asked.
        population: the rounds of population-based training, or None.
        checkpoints: folder for unfinished trials.
        checkpoint_seconds: training time between two checkpoints of a trial.
        deadline: when trials stop after their epoch, as ``time.time()`` has it; None for never.
    """

    task: Task
    inputs: Array
    targets: Array
    plan: Plan
    threads: int
    rungs: Any
    rung_epochs: tuple[int, ...]
    population: PopulationTraining | None
    checkpoints: Path
    checkpoint_seconds: float
    deadline: float | None = None


def worker_device() -> torch.device:
    """The GPU that Ray gave this worker, else the CPU."""
    return torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")


class CohortTrainable(tune.Trainable):
    """Trains cohort after cohort in one warm process, which keeps the data and the traced computations."""

    def setup(self, config: dict[str, Any], job: Job) -> None:  # type: ignore[override] # with_parameters adds it
        """Called once per worker, with the first cohort."""
        torch.set_num_threads(job.threads)
        self._job = job
        self._data = Data.on(worker_device(), job.inputs, job.targets)
        self._traces: Traces = {}
        self._begin(config["cohort"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called by Ray Tune to hand the next cohort to this worker."""
        self._begin(new_config["cohort"])
        return True

    def step(self) -> dict[str, Any]:
        """Train for about a second, or to the end; returns a :class:`CohortReport`."""
        report = CohortReport(self._config.name)
        cohort = self._cohort
        if cohort is None:
            report.ended = [Outcome(n, State.FAIL, reason=self._why) for n, _ in self._config.trials]
            return {"report": report, "done": True}
        started = time.monotonic()
        try:
            while cohort.live:
                self._keep_time(cohort)
                if cohort.live:
                    self._epoch(cohort, report)
                if time.monotonic() - started >= REPORT_SECONDS:
                    break
            self._checkpoint(cohort)
        except Exception as error:  # trials fail one by one in Cohort; what gets here concerns all of them
            cohort.fail(reason(error))
        report.epoch, report.live = cohort.epoch, len(cohort.live)
        report.why_loop, cohort.why_loop = cohort.why_loop, None
        report.ended, cohort.ended = cohort.ended, []
        self._completed |= any(outcome.state is State.COMPLETE for outcome in report.ended)
        return {"report": report, "done": not cohort.live}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Required by Ray Tune, which is never told to use it: trials keep their own checkpoints."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """See :meth:`save_checkpoint`."""

    def _begin(self, config: CohortConfig) -> None:
        self._config = config
        self._cohort: Cohort | None = None
        self._values: dict[int, float] = {}
        self._completed = False
        self._saved_at = time.monotonic()
        job = self._job
        numbers = {number for number, _ in config.trials}
        saved = load_checkpoint(job.checkpoints, min(numbers)) if config.start else None
        if saved is not None and (saved["epoch"] != config.start or not numbers <= set(saved["runs"])):
            saved = None
        try:
            self._cohort = Cohort(job.task, self._data, job.plan, config.trials, self._traces, saved)
            self._cohort.drop(set(self._cohort.live) - numbers)
        except Exception as error:  # the stack as a whole cannot be made: out of memory, say
            self._why = reason(error)

    def _keep_time(self, cohort: Cohort) -> None:
        """Stop the trials when the study's time is over; see ``search_spaces.trials.limits`` for the one that goes on."""
        if self._job.deadline is None or time.time() < self._job.deadline:
            return
        completed = self._completed or any(outcome.state is State.COMPLETE for outcome in cohort.ended)
        stopped = list(cohort.live)
        if self._config.first and not completed:
            sign = 1 if self._job.task.mode == "min" else -1
            stopped.remove(min(cohort.live, key=lambda n: (sign * self._values.get(n, math.inf * sign), n)))
        cohort.stop(stopped, OUT_OF_TIME)

    def _epoch(self, cohort: Cohort, report: CohortReport) -> None:
        results = cohort.advance()
        for number, epoch in results.items():
            report.epochs.setdefault(number, []).append(epoch)
            self._values[number] = epoch.value
        population = self._job.population
        if population is not None and population.due(cohort.epoch):
            values = {number: results[number].value for number in cohort.live}
            for move in population.moves(cohort.epoch, values, {n: cohort.params(n) for n in cohort.live}):
                cohort.exploit(move.target, move.source, move.params)
        if cohort.epoch not in self._job.rung_epochs or not results:
            return
        # Also of trials that ran out of patience here: after a resume the rung has their values from the database.
        values = {number: epoch.value for number, epoch in results.items()}
        decisions = ray.get(self._job.rungs.report.remote(cohort.epoch, values))
        stopped = [number for number in cohort.live if decisions[number] is Decision.STOP]
        cohort.stop(stopped)
        report.rungs.append((cohort.epoch, {n: v for n, v in values.items() if n not in stopped}))

    def _checkpoint(self, cohort: Cohort) -> None:
        if time.monotonic() - self._saved_at < self._job.checkpoint_seconds:
            return
        save_checkpoints(self._job.checkpoints, dict.fromkeys(cohort.live, cohort.state()))
        self._saved_at = time.monotonic()


class MemberTrainable(tune.Trainable):
    """One member of a population under a scheduler of Ray Tune, which moves checkpoints and configurations about.

    A configuration holds ``number``, of the trial that it was drawn for, and what
    ``PopulationTraining.params_of`` reads hyperparameters from. A result holds ``epoch``, ``value``, and a
    :class:`CohortReport` whose trials go by that number.
    """

    def setup(self, config: dict[str, Any], job: Job) -> None:  # type: ignore[override] # with_parameters adds it
        """Called once per worker, with its first member."""
        if job.population is None:
            raise ValueError("a member belongs to a population")
        torch.set_num_threads(job.threads)
        self._job, self._population = job, job.population
        self._data = Data.on(worker_device(), job.inputs, job.targets)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called by Ray Tune to hand another member, or the copy of one, to this worker."""
        self._number = int(new_config["number"])
        self._params = self._population.params_of(new_config)
        self._cohort = self._begun(None)
        return True

    def step(self) -> dict[str, Any]:
        """Train for one interval, or to the end."""
        report, value = CohortReport(f"trial {self._number}"), math.nan
        while self._cohort.live:
            for number, epoch in self._cohort.advance().items():
                report.epochs.setdefault(number, []).append(epoch)
                value = epoch.value
            if self._population.due(self._cohort.epoch):
                break
        report.epoch, report.live = self._cohort.epoch, len(self._cohort.live)
        report.schedule = self._cohort.schedule(self._number) if self._cohort.live else self._cohort.ended[0].schedule
        report.ended = self._cohort.ended
        return {"report": report, "epoch": report.epoch, "value": value, "done": not self._cohort.live}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Everything that a copy needs; of a member that has ended, nothing."""
        torch.save(self._cohort.state(), Path(checkpoint_dir) / "member.pt")

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Go on from a checkpoint, a member's own or another's, with the hyperparameters of the configuration."""
        state = torch.load(Path(checkpoint) / "member.pt", weights_only=True)
        self._cohort = self._begun(state)
        if self._cohort.params(self._number) != self._params:
            self._cohort.change(self._params)

    def _begun(self, saved: Mapping[str, Any] | None) -> Cohort:
        job = self._job
        # Ray Tune hands the number on with a copy, which must not draw the same batches: its place does not move.
        place = zlib.crc32(self.trial_id.rpartition("_")[2].encode())
        plan = replace(job.plan, key=root_key(job.plan.key, place))
        return Cohort(job.task, self._data, plan, [(self._number, self._params)], saved=saved)
