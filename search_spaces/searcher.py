"""The Ray Tune searcher: hands out cohorts of proposed trials. The only module here that knows Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from search_spaces.errors import reason
from search_spaces.trials.cohorts import CohortPlan, Shape, form_cohorts
from search_spaces.trials.limits import OUT_OF_TIME
from search_spaces.trials.outcome import Outcome, State
from search_spaces.trials.proposer import Proposal, Proposer

CRASHED = "the worker's process died twice: out of memory, or a crash in native code"

MOST_DEATHS = 12
"""Before the first report; one bad trial among 2000 is found by halving in eleven."""


class CohortSearcher(Searcher):
    """Proposes trials in blocks, groups them by shape, and hands one cohort to each worker that asks.

    Args:
        proposer: asks the sampler, and knows the trials that an interrupted run left unfinished.
        shape_of: what a trial's networks look like; raises if they cannot be built.
        tell: called with the outcome of a trial that never reached a worker, or died with one.
        config_of: makes a cohort's configuration for the trainable.
        workers: how many cohorts can run at once.
        concurrency: most trials pending at once.
    """

    def __init__(
        self,
        proposer: Proposer,
        shape_of: Callable[[Proposal], Shape],
        tell: Callable[[Outcome], None],
        config_of: Callable[[CohortPlan], Any],
        workers: int,
        concurrency: int,
    ) -> None:
        super().__init__()
        self._proposer = proposer
        self._shape_of = shape_of
        self._tell = tell
        self._config_of = config_of
        self._workers = workers
        self._concurrency = concurrency
        # Blocks of one size, whenever they are proposed: who shares a stack must not depend on timing.
        if proposer.block or concurrency >= proposer.total:
            self._block = min(concurrency, proposer.block or concurrency)
        else:
            self._block = max(1, concurrency // 2)
        self._queue: list[CohortPlan] = []
        self._running: dict[str, CohortPlan] = {}
        self._pending: set[int] = set()
        self._unfinished = list(proposer.unfinished)
        self._working = False
        self._deaths = 0
        self._died: Counter[int] = Counter()

    def suggest(self, trial_id: str) -> Any:
        """The next cohort, None while there is nothing to do yet, or FINISHED."""
        if self.given_up:
            return self.FINISHED
        if self._proposer.out_of_time and self._proposer.tally.completed:
            self._drop()
        elif self._proposer.out_of_time and self._running:
            return None  # the worker of one trial at least trains it to its end
        else:
            while not self._queue and self._propose():
                pass
        if self._queue:
            cohort = self._queue.pop(0)
            self._running[trial_id] = cohort
            return {"cohort": self._config_of(cohort)}
        return None if self._running else self.FINISHED

    def ended(self, number: int) -> None:
        """A trial is finished, so another may be pending."""
        self._pending.discard(number)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A cohort is done. Where its process died, its trials run again in halves, until the culprit is alone.

        What cannot be halved, a single trial or a population, runs a second time before it is held to be the culprit:
        its machine may have gone.
        """
        cohort = self._running.pop(trial_id, None)
        if cohort is None:
            return
        if not error:
            self._working = True
            return
        self._deaths += 1
        left = [p for p in cohort.trials if p.number in self._pending]
        if left and (len(cohort.trials) == 1 or self._proposer.population):
            self._died[left[0].number] += 1
            if self._died[left[0].number] > 1:
                for proposal in left:
                    self._fail(proposal, CRASHED)
                return
        if left:
            # Shaped anew, for trials with a checkpoint go on from there. A population needs all of its members.
            again = list(cohort.trials) if self._proposer.population else left
            self._queue[:0] = self._cohorts([(p, self._shape_of(p)) for p in again], pieces=2)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Reports go to the recorder, which calls :meth:`ended`."""
        self._working = True

    @property
    def given_up(self) -> bool:
        """Whether workers died one after the other before any of them reported: none can work at all."""
        return not self._working and self._deaths > MOST_DEATHS + self._workers

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a study is resumed from its trial database."""

    def restore(self, checkpoint_path: str) -> None:
        """See :meth:`save`."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its configuration so that it could restore a run, which is never done."""
        return {}

    def _propose(self) -> bool:
        """Fill the queue with a block of trials; returns whether there was one."""
        block, self._unfinished = self._unfinished, []
        if not block:
            size = min(self._block, self._proposer.room)
            if size == 0 or len(self._pending) + size > self._concurrency:
                return False
            block = list(self._proposer.ask(size))
        shaped: list[tuple[Proposal, Shape]] = []
        for proposal in block:
            self._pending.add(proposal.number)
            try:
                shaped.append((proposal, self._shape_of(proposal)))
            except Exception as error:
                self._fail(proposal, reason(error))
        self._queue = self._cohorts(shaped, self._workers)
        return True

    def _drop(self) -> None:
        """End the trials that have not begun, or not begun again after a kill."""
        waiting = [*self._unfinished, *(p for cohort in self._queue for p in cohort.trials)]
        self._unfinished, self._queue = [], []
        for proposal in waiting:
            self._tell(Outcome(proposal.number, State.PRUNED, reason=OUT_OF_TIME))
            self.ended(proposal.number)

    def _cohorts(self, shaped: list[tuple[Proposal, Shape]], pieces: int) -> list[CohortPlan]:
        """At least so many cohorts, where that is possible; a population stays together."""
        return form_cohorts(shaped, 1 if self._proposer.population else pieces)

    def _fail(self, proposal: Proposal, why: str) -> None:
        self._tell(Outcome(proposal.number, State.FAIL, reason=why))
        self.ended(proposal.number)
