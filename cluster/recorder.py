"""The driver's bookkeeping: what workers report goes to the trial database, to TensorBoard and to the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from search_spaces.errors import reason
from search_spaces.trials.checkpoints import remove_checkpoint
from search_spaces.trials.cohorts import CohortPlan
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.report import CohortConfig, CohortReport


@dataclass(frozen=True)
class SearchInfo:
    """What a search is about to do.

    Args:
        study: its name.
        total, done: trials in all (None where only another limit ends the search), and those finished by an earlier run.
        workers: cohorts that can run at once.
        device: what each worker trains on, in words.
        metric, mode: what is optimised, "min" or "max".
        best: number and value of the best trial so far, of an earlier run.
        limits: what else ends the search, in words.
    """

    study: str
    total: int | None
    done: int
    workers: int
    device: str
    metric: str
    mode: str
    best: tuple[int, float] | None = None
    limits: str = ""


class Listener:
    """Who is told of a study as it runs; this one, the base of all, lets it pass in silence."""

    def started(self, info: SearchInfo) -> None:
        """The search begins."""

    def cohort_started(self, cohort: CohortConfig, epochs: int) -> None:
        """A cohort was handed to a worker; its trials have ``epochs`` to go to."""

    def cohort_progress(self, report: CohortReport) -> None:
        """A cohort reported."""

    def trial_ended(self, outcome: Outcome) -> None:
        """A trial is finished."""

    def refit_progress(self, done: int, total: int) -> None:
        """So many epochs of the refit are done, of all its networks together."""

    def message(self, text: str) -> None:
        """Something worth a line."""


class Recorder:
    """Records one study.

    Args:
        proposer: holds the trial database.
        log: TensorBoard runs.
        checkpoints: folder of unfinished trials.
        listener: who watches.
        epochs: of an undisturbed trial.
    """

    def __init__(
        self, proposer: Proposer, log: TensorBoardLog, checkpoints: Path, listener: Listener, epochs: int
    ) -> None:
        self._proposer = proposer
        self._log = log
        self._checkpoints = checkpoints
        self._listener = listener
        self._epochs = epochs
        self._cohorts = 0

    def begin(self, cohort: CohortPlan) -> CohortConfig:
        """Note that a cohort is about to run; returns what its worker is told."""
        trials: tuple[tuple[int, Mapping[str, Any]], ...] = tuple((p.number, p.params) for p in cohort.trials)
        first = self._proposer.deadline is not None and not self._proposer.tally.completed
        config = CohortConfig(f"cohort-{self._cohorts}", trials, cohort.shape.start, first)
        self._cohorts += 1
        for number, params in trials:
            if not self._proposer.finished(number):
                self._log.start(number, params, fresh=config.start == 0)
        self._listener.cohort_started(config, self._epochs)
        return config

    def record(self, report: CohortReport) -> list[int]:
        """Record a report; returns the numbers of the trials that ended."""
        for number, epochs in report.epochs.items():
            if not self._proposer.finished(number):
                self._log.epochs(number, epochs)
        ended = {outcome.number for outcome in report.ended}
        for epoch, values in report.rungs:
            for number, value in values.items():
                if number not in ended:  # an ended trial's outcome brings its rungs along
                    self._proposer.report(number, epoch, value)
        for outcome in report.ended:
            self.tell(outcome)
        self._listener.cohort_progress(report)
        return sorted(ended)

    def tell(self, outcome: Outcome) -> None:
        """Record the end of a trial: last of all in the database, so that nothing else is missing once it is there.

        Of a trial that was finished before, and ran again for the others of its population, nothing is recorded.
        """
        if not self._proposer.finished(outcome.number):
            outcome = self._proposer.judged(outcome)
            self._log.finish(outcome)
            self._proposer.tell(outcome)
            self._listener.trial_ended(outcome)
        remove_checkpoint(self._checkpoints, outcome.number)


class ReportCallback(tune.Callback):
    """Takes reports out of Ray Tune's results."""

    def __init__(self, recorder: Recorder, ended: Any) -> None:
        self._recorder = recorder
        self._ended = ended
        self.last_error = "no reason known"

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its configuration so that it could restore a run, which is never done."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Called by Ray Tune for every result, the last of a cohort included."""
        for number in self._recorder.record(result.pop("report")):
            self._ended(number)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a cohort's worker died."""
        error = trial.get_pickled_error()
        if error is not None:
            self.last_error = reason(error)
