"""A cohort under way: which of its trials are in training, where it stands, and what it goes on from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from search_spaces.trials.checkpoints import Saved
from search_spaces.trials.cohorts import CohortPlan
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposal import Proposal
from trainables.messages import Leg


@dataclass(eq=False)
class UnderWay:
    """A cohort that is trained leg by leg. Between two legs it rests as a checkpoint.

    Args:
        plan: all of its trials.
        wave: the place of its wave.
        live: numbers of the trials in training.
        epoch: where it rests, or began its leg.
        begun: whether a leg was started since it was last taken up.
        leg: what a worker trains now.
        paused: at rest, the record of each trial in training, should it be stopped here.
        at_rung: it rests until the rung has decided about its trials.
        exempt: its one trial goes on although the time of the search is over.
        inherited: the checkpoint of the cohort that it is a half of, until it has one of its own.
    """

    plan: CohortPlan
    wave: int
    live: set[int] = field(default_factory=set)
    epoch: int = 0
    begun: bool = False
    leg: Leg | None = None
    paused: dict[int, Outcome] = field(default_factory=dict)
    at_rung: bool = False
    exempt: bool = False
    inherited: Saved | None = None

    @property
    def name(self) -> int:
        """The lowest number of its trials."""
        return self.plan.name

    @property
    def trials(self) -> list[Proposal]:
        """The trials in training."""
        return [trial for trial in self.plan.trials if trial.number in self.live]

    def behind(self, epoch: int) -> bool:
        """Whether some of its trials may still come to this epoch, or are there and have not said how they stand."""
        return bool(self.live) and (self.epoch < epoch or (self.epoch == epoch and not self.paused))

    def rewind(self, saved: Saved | None, without: Collection[int]) -> None:
        """Take it up at a checkpoint, or at its beginning, ``without`` some of its trials.

        Trials that have ended since then train again where they are not left out: how many networks share a stack can
        change the last bit of the others' results.
        """
        self.epoch = saved.epoch if saved else 0
        numbers = {trial.number for trial in self.plan.trials}
        self.live = (numbers & set(saved.trials) if saved else numbers) - set(without)
        self.begun, self.at_rung, self.leg, self.paused = False, False, None, {}

    def halves(self, saved: Saved | None) -> list[UnderWay]:
        """Two cohorts of half of its trials in training, which go on from its checkpoint."""
        return [
            UnderWay(half, self.wave, {t.number for t in half.trials}, self.epoch, inherited=saved)
            for half in replace(self.plan, trials=tuple(self.trials)).halves()
        ]
