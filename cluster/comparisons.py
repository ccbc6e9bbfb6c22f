"""Which trials a rung compares, and when.

With ``search.order: fast`` a cohort is compared as soon as it comes, with all that came before. With ``exact`` the trials of
a wave are compared with each other and with those of the waves before, once all of these that ever come have come:
numbers alone decide who is compared with whom.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from cluster.underway import UnderWay
from search_spaces.choosing.rungs import Decision, Rungs
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Wave
from trainables.messages import Report


class Comparisons:
    """The rungs of one study, and the values of its trials there.

    Args:
        rungs: decides.
        exact: see above.
    """

    def __init__(self, rungs: Rungs, exact: bool) -> None:
        self.epochs = rungs.epochs
        self._rungs, self._exact = rungs, exact
        self._values: dict[int, dict[int, float]] = {epoch: {} for epoch in self.epochs}
        self._decisions: dict[int, dict[int, Decision]] = {epoch: {} for epoch in self.epochs}
        self._waves: Counter[int] = Counter()

    def recall(self, known: Iterable[Outcome], first: int) -> None:
        """Take in the trials of earlier runs; what those from number ``first`` on brought, is decided again if exact."""
        for outcome in known:
            for epoch, value in outcome.curve:
                if epoch in self._values:
                    self._values[epoch][outcome.number] = value
                    if outcome.number < first or not self._exact:
                        self._rungs.record(epoch, {outcome.number: value})

    def note(self, report: Report) -> None:
        """Take in the values of a report."""
        for number, epochs in report.epochs.items():
            for epoch in epochs:
                if epoch.epoch in self._values:
                    self._values[epoch.epoch][number] = epoch.value
        for number, outcome in report.paused.items():  # of a cohort that a checkpoint had at a rung
            if report.epoch in self._values and outcome.value is not None:
                self._values[report.epoch][number] = outcome.value

    def decided(
        self, cohorts: Sequence[UnderWay], waves: Sequence[Wave]
    ) -> list[tuple[UnderWay, Mapping[int, Decision]]]:
        """The cohorts that may leave their rung now, with what becomes of their trials."""
        for epoch in self.epochs:
            if self._exact:
                self._compare_waves(epoch, cohorts, waves)
            else:
                for cohort in cohorts:
                    if cohort.at_rung and cohort.epoch == epoch:
                        self._compare(epoch, {trial.number for trial in cohort.plan.trials})
        return [
            (cohort, self._decisions[cohort.epoch])
            for cohort in cohorts
            if cohort.at_rung and cohort.live <= self._decisions[cohort.epoch].keys()
        ]

    def _compare_waves(self, epoch: int, cohorts: Sequence[UnderWay], waves: Sequence[Wave]) -> None:
        first_behind = min((c.wave for c in cohorts if c.behind(epoch)), default=len(waves))
        while self._waves[epoch] < min(first_behind, len(waves)):
            self._compare(epoch, {trial.number for trial in waves[self._waves[epoch]]})
            self._waves[epoch] += 1

    def _compare(self, epoch: int, numbers: set[int]) -> None:
        new = {n: v for n, v in self._values[epoch].items() if n in numbers and n not in self._decisions[epoch]}
        self._decisions[epoch] |= self._rungs.report(epoch, new)
