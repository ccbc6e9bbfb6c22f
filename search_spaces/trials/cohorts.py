"""Forming cohorts: which trials are trained together, in which order.

The layout is a function of the proposals alone, never of timing or of the number of workers: how many networks share
a stack can change the last bit of a result, so the same study must be laid out the same way everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.trials.proposal import STEP_OVERHEAD, Proposal, Shape

MOST_PIECES = 8
"""Trials of one shape are cut into up to so many cohorts, so that many workers have one."""

WORTH_CUTTING = 1.3
"""Work of the smaller half, as a multiple of the overhead of a step, from which on a cohort is cut in two."""


@dataclass(frozen=True)
class CohortPlan:
    """Trials of one shape, to be trained together. ``name`` is the lowest of their numbers, which no other cohort has."""

    shape: Shape
    trials: tuple[Proposal, ...]

    @property
    def name(self) -> int:
        """The lowest number of its trials."""
        return min(p.number for p in self.trials)

    @property
    def cost(self) -> float:
        """Relative time of one epoch."""
        return self.shape.cost(len(self.trials))

    @property
    def worth_cutting(self) -> bool:
        """Whether two halves on two workers take much less time than the whole on one."""
        half = len(self.trials) // 2
        return half * self.shape.members * self.shape.work >= WORTH_CUTTING * STEP_OVERHEAD

    def halves(self) -> tuple[CohortPlan, CohortPlan]:
        """Two cohorts of half the size; needs at least two trials."""
        middle = (len(self.trials) + 1) // 2
        return CohortPlan(self.shape, self.trials[:middle]), CohortPlan(self.shape, self.trials[middle:])


def form_cohorts(trials: Sequence[Proposal], together: bool = False) -> list[CohortPlan]:
    """Group trials by shape and cut large groups, the most expensive cohort first; trials without a shape are left out.

    Args:
        trials: proposed at one time.
        together: never cut a group; a population stays whole, however large.
    """
    groups: dict[Shape, list[Proposal]] = {}
    for proposal in trials:
        if proposal.shape is not None:
            groups.setdefault(proposal.shape, []).append(proposal)
    cohorts: list[CohortPlan] = []
    for shape, members in groups.items():
        pieces = 1 if together else math.ceil(len(members) / shape.largest)
        size = math.ceil(len(members) / pieces)
        cohorts += [CohortPlan(shape, tuple(members[i : i + size])) for i in range(0, len(members), size)]
    while not together and len(cohorts) < MOST_PIECES:
        candidate = max((c for c in cohorts if c.worth_cutting), key=lambda c: (c.cost, -c.name), default=None)
        if candidate is None:
            break
        cohorts.remove(candidate)
        cohorts += candidate.halves()
    return sorted(cohorts, key=lambda c: (-c.cost, c.name))
