"""The search: ask for trials, form cohorts, hand them out, record, compare, end. Knows neither Ray nor torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from optuna.trial import TrialState

from cluster.comparisons import Comparisons
from cluster.recorder import Recorder
from cluster.underway import UnderWay
from search_spaces.choosing.rungs import Decision
from search_spaces.errors import ClusterError
from search_spaces.trials.cohorts import form_cohorts
from search_spaces.trials.limits import OUT_OF_TIME
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer, Wave
from trainables.messages import Leg, Lost, Report

CRASHED = "the worker's process died twice: out of memory, or a crash in native code"

MOST_DEATHS = 12
"""Of workers before the first report; one bad trial among 2000 is found by halving in eleven."""


class Engine(Protocol):
    """What trains cohorts. It is never given more legs at a time than it has workers."""

    @property
    def workers(self) -> int:
        """How many legs can be trained at once."""

    def start(self, leg: Leg) -> None:
        """Train a leg; returns at once."""

    def wait(self) -> Sequence[Report | Lost]:
        """Block until there is news, and return it. Every leg ends in a report that is ``done``, or in a ``Lost``."""


class SearchLoop:
    """One search.

    Args:
        proposer: asks the sampler, and knows what an interrupted run left.
        engine: trains.
        recorder: keeps the books.
        comparisons: at the rungs; None without a rule.
        epochs: of an undisturbed trial.
        exact: trials that have ended train again where others' results would differ by a bit without them.
    """

    def __init__(
        self,
        proposer: Proposer,
        engine: Engine,
        recorder: Recorder,
        comparisons: Comparisons | None,
        epochs: int,
        exact: bool,
    ) -> None:
        self._proposer, self._engine, self._recorder, self._comparisons = proposer, engine, recorder, comparisons
        self._rungs = comparisons.epochs if comparisons else ()
        self._epochs = epochs
        self._whole = exact or bool(proposer.population)
        self._cohorts: list[UnderWay] = []
        self._waves: list[Wave] = []
        self._completed = False
        self._reported = False
        self._deaths = 0
        self._died: Counter[int] = Counter()

    def run(self, known: Sequence[Outcome] = ()) -> None:
        """Train until nothing is left to train; ``known`` are the trials of earlier runs, by number.

        Raises:
            ClusterError: if workers die one after the other before any of them reports.
        """
        self._completed = any(outcome.complete for outcome in known)
        unfinished = self._proposer.unfinished()
        if self._comparisons is not None:
            self._comparisons.recall(known, min((t.number for wave in unfinished for t in wave), default=len(known)))
        for wave in unfinished:
            self._add(wave)
        while self._hand_out():
            for news in self._engine.wait():
                if isinstance(news, Lost):
                    self._lost(news)
                else:
                    self._take(news)

    def _hand_out(self) -> bool:
        """Give all workers something to do, the oldest cohorts first; returns whether anything is in training."""
        while self._propose() or self._compare():
            pass
        late = self._proposer.out_of_time
        training = sum(cohort.leg is not None for cohort in self._cohorts)
        for cohort in list(self._cohorts):
            if cohort.leg is not None:
                continue
            if late and not cohort.exempt and self._completed:
                self._stop(cohort, cohort.live, OUT_OF_TIME)
            elif not cohort.at_rung and training < (1 if late and not cohort.exempt else self._engine.workers):
                self._begin(cohort)
                training += 1
        return training > 0

    def _propose(self) -> bool:
        wave = self._proposer.propose()
        if wave is not None:
            self._add(wave)
        return wave is not None

    def _add(self, wave: Wave) -> None:
        """Form the cohorts of a wave, some trials of which may be finished by an earlier run."""
        for trial in wave:
            if trial.problem is not None:
                self._recorder.finish(Outcome(trial.number, TrialState.FAIL, reason=trial.problem))
        for plan in form_cohorts(wave, together=bool(self._proposer.population)):
            if not all(self._proposer.finished(trial.number) for trial in plan.trials):
                cohort = UnderWay(plan, len(self._waves))
                self._rewind(cohort)
                self._cohorts.append(cohort)
        self._waves.append(wave)

    def _rewind(self, cohort: UnderWay) -> None:
        """Take a cohort up where it was saved last."""
        finished = [] if self._whole else [t.number for t in cohort.plan.trials if self._proposer.finished(t.number)]
        cohort.rewind(self._recorder.saved(cohort), without=finished)

    def _begin(self, cohort: UnderWay) -> None:
        saved = self._recorder.saved(cohort) if cohort.epoch else None
        if cohort.epoch and saved is None:
            self._rewind(cohort)  # its checkpoint has gone
        taken_up = not cohort.begun
        stops = [epoch for epoch in (*self._rungs, self._epochs) if epoch > cohort.epoch]
        if taken_up:
            for trial in cohort.trials:
                self._recorder.begin(trial, cohort.epoch)
            if cohort.epoch in self._rungs:
                stops = [cohort.epoch]  # how its trials stand here is all that is wanted
        cohort.begun = True
        cohort.leg = Leg(
            cohort.name,
            tuple((trial.number, trial.params) for trial in cohort.trials),
            cohort.epoch,
            stops[0],
            None if cohort.exempt else self._proposer.deadline,
            saved.state if saved else None,
        )
        self._recorder.listener.leg_started(cohort.name, len(cohort.live), cohort.epoch)
        self._engine.start(cohort.leg)

    def _take(self, report: Report) -> None:
        self._reported = True
        (cohort,) = [c for c in self._cohorts if c.leg is not None and c.name == report.cohort]
        leg = cohort.leg
        if self._comparisons is not None:
            self._comparisons.note(report)
        self._recorder.record(report, cohort)
        for outcome in report.ended:
            self._end(cohort, outcome)
        if report.done and leg is not None:
            cohort.leg, cohort.epoch, cohort.paused = None, report.epoch, report.paused
            if report.epoch < leg.until:
                self._stop_late(cohort)
            else:
                cohort.at_rung = bool(cohort.live)

    def _compare(self) -> bool:
        """Let the rungs decide; returns whether they have."""
        found = self._comparisons.decided(self._cohorts, self._waves) if self._comparisons is not None else []
        for cohort, decisions in found:
            cohort.at_rung = False
            stopped = {n for n in cohort.live if decisions[n] is Decision.STOP and not cohort.exempt}
            for number in sorted(cohort.live - stopped):
                self._recorder.passed(number, cohort.epoch, cohort.paused[number])
            self._stop(cohort, stopped)
        return bool(found)

    def _stop_late(self, cohort: UnderWay) -> None:
        """The time of the search is over. Where no trial has completed, the best of the cohort goes on to its end."""
        stopped = set(cohort.live)
        if not self._completed and stopped:
            cost = self._proposer.objective.cost
            stopped.remove(min(stopped, key=lambda n: (cost(cohort.paused[n].value), n)))
            cohort.exempt = True
        self._stop(cohort, stopped, OUT_OF_TIME)

    def _stop(self, cohort: UnderWay, numbers: set[int], reason: str | None = None) -> None:
        """End trials of a cohort that rests."""
        for number in sorted(numbers):
            record = cohort.paused.get(number, Outcome(number, TrialState.PRUNED))
            self._end(cohort, replace(record, reason=reason))

    def _end(self, cohort: UnderWay, outcome: Outcome) -> None:
        self._completed |= outcome.complete
        self._recorder.finish(outcome)
        cohort.live = cohort.live - {outcome.number}
        if not cohort.live and cohort in self._cohorts:
            self._cohorts.remove(cohort)
            self._recorder.forget(cohort)

    def _lost(self, news: Lost) -> None:
        """A worker died. Its cohort trains again whole, then in halves, until the trial that kills its process is alone.

        A single trial, or a population, which cannot be halved, has failed when its process has died twice.
        """
        self._deaths += 1
        if not self._reported and self._deaths > MOST_DEATHS + self._engine.workers:
            raise ClusterError(f"workers die before they report anything; the last of {news.reason}")
        for cohort in [c for c in self._cohorts if c.leg is not None and c.name == news.cohort]:
            self._rewind(cohort)
            self._died.update(cohort.live)
            if max(self._died[number] for number in cohort.live) < 2:
                continue
            if len(cohort.live) > 1 and not self._proposer.population:
                place = self._cohorts.index(cohort)
                self._cohorts[place : place + 1] = cohort.halves(self._recorder.saved(cohort))
                continue
            for number in sorted(cohort.live):
                self._end(cohort, Outcome(number, TrialState.FAIL, reason=CRASHED))
