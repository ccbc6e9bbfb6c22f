"""Forming cohorts: which trials are trained together, in which order.

The layout is a function of the proposals and the number of workers alone, never of timing: how many networks share
a stack can change the last bit of a result, so the same study must be laid out the same way twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.trials.proposer import Proposal

STEP_OVERHEAD = 100
"""A step costs about as much as this many members' arithmetic (small dense networks, one core)."""


@dataclass(frozen=True)
class Shape:
    """What a trial's networks look like from outside.

    Args:
        key: equal for trials that may share a stack.
        steps: optimizer steps per epoch.
        members: networks per trial (its folds times its repeats).
        largest: most trials that one stack may hold; 1 where members are trained one by one.
        start: epochs trained already (a checkpoint of a resumed trial).
    """

    key: str
    steps: int = 1
    members: int = 1
    largest: int = 1
    start: int = 0


@dataclass(frozen=True)
class CohortPlan:
    """Trials of one shape, to be trained together."""

    shape: Shape
    trials: tuple[Proposal, ...]

    @property
    def cost(self) -> float:
        """Relative time of one epoch."""
        return self.shape.steps * (STEP_OVERHEAD + self.shape.members * len(self.trials))

    def halves(self) -> tuple[CohortPlan, CohortPlan]:
        """Two cohorts of half the size; needs at least two trials."""
        middle = (len(self.trials) + 1) // 2
        return CohortPlan(self.shape, self.trials[:middle]), CohortPlan(self.shape, self.trials[middle:])


def form_cohorts(trials: Sequence[tuple[Proposal, Shape]], workers: int) -> list[CohortPlan]:
    """Group trials by shape, split until every worker has a cohort, the most expensive first."""
    groups: dict[Shape, list[Proposal]] = {}
    for proposal, shape in trials:
        groups.setdefault(shape, []).append(proposal)
    cohorts: list[CohortPlan] = []
    for shape, members in groups.items():
        pieces = math.ceil(len(members) / shape.largest)
        size = math.ceil(len(members) / pieces)
        cohorts += [CohortPlan(shape, tuple(members[i : i + size])) for i in range(0, len(members), size)]
    while len(cohorts) < workers:
        candidate = max(cohorts, key=lambda c: (len(c.trials) > 1, c.cost), default=None)
        if candidate is None or len(candidate.trials) == 1:
            break
        cohorts.remove(candidate)
        cohorts += candidate.halves()
    return sorted(cohorts, key=lambda c: -c.cost)
