"""The driver's books: what is reported goes to the trial database, to TensorBoard, to checkpoints and to the screen."""

from __future__ import annotations

from cluster.listener import Listener
from cluster.underway import UnderWay
from search_spaces.trials.checkpoints import Checkpoints, Saved
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposal import Proposal
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.messages import Report


class Recorder:
    """Records one study.

    Args:
        proposer: holds the trial database.
        objectives: of the study.
        log: TensorBoard runs.
        checkpoints: of unfinished stacks.
        listener: who watches.
    """

    def __init__(
        self,
        proposer: Proposer,
        objectives: list[Objective],
        log: TensorBoardLog,
        checkpoints: Checkpoints,
        listener: Listener,
    ) -> None:
        self._proposer = proposer
        self._objectives = objectives
        self._log = log
        self._checkpoints = checkpoints
        self.listener = listener
        self._logged: dict[int, int] = {}

    def begin(self, trial: Proposal, epoch: int) -> None:
        """A trial begins to train, or goes on from a checkpoint at ``epoch``."""
        if not self._proposer.finished(trial.number):
            self._log.start(trial.number, trial.params, fresh=epoch == 0)
            self._logged[trial.number] = epoch

    def record(self, report: Report, cohort: UnderWay | None = None) -> None:
        """Record what a worker reported; trials that have ended are left to :meth:`finish`."""
        for number, epochs in report.epochs.items():
            new = [epoch for epoch in epochs if epoch.epoch > self._logged.get(number, 0)]
            if new and not self._proposer.finished(number):  # others train again, for the rest of their stack
                self._log.epochs(number, new)
                self._logged[number] = new[-1].epoch
        for number in report.live:
            self._proposer.reached(number, report.epoch)
        if report.state is not None and cohort is not None:
            self._checkpoints.save(cohort.name, Saved(report.epoch, report.live, report.state))
            cohort.inherited = None
        self.listener.reported(report)

    def saved(self, cohort: UnderWay) -> Saved | None:
        """The last checkpoint of a cohort, if there is one that can be read, of all its unfinished trials."""
        saved = cohort.inherited or self._checkpoints.read(cohort.name)
        left = {t.number for t in cohort.plan.trials if not self._proposer.finished(t.number)}
        return saved if saved is not None and left <= set(saved.trials) else None

    def forget(self, cohort: UnderWay) -> None:
        """A cohort is done."""
        self._checkpoints.remove(cohort.name)

    def passed(self, number: int, epoch: int, record: Outcome) -> None:
        """A trial has passed a rung."""
        if not self._proposer.finished(number) and record.value is not None:
            self._proposer.report(number, epoch, record.value)

    def finish(self, outcome: Outcome) -> None:
        """Record the end of a trial: last of all in the database, so that nothing else is missing once it is there.

        Of a trial that was finished before, and trained again for the others of its stack, nothing is recorded.
        """
        if not self._proposer.finished(outcome.number):
            outcome = outcome.judged(self._objectives)
            self._log.finish(outcome)
            self._proposer.tell(outcome)
            self.listener.trial_ended(outcome)
