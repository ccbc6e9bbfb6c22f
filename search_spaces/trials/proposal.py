"""A proposed trial: its number, its configuration, and what its networks look like from outside."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.space import Params

STEP_OVERHEAD = 300_000
"""A step of a stack costs about as much as so many multiplications of a weight with a row (small dense networks on one core)."""


@dataclass(frozen=True)
class Shape:
    """What a trial's networks look like from outside.

    Args:
        key: equal for trials that may share a stack.
        steps: optimizer steps per epoch.
        members: networks per trial (its folds times its repeats).
        largest: most trials that one stack may hold; 1 where members are trained one by one.
        work: multiplications of one network in one step, as far as its parameters and rows tell.
    """

    key: str
    steps: int = 1
    members: int = 1
    largest: int = 1
    work: int = 1

    def cost(self, trials: int = 1) -> float:
        """Relative time of one epoch of so many trials as one stack."""
        return self.steps * (STEP_OVERHEAD + self.work * self.members * trials)


@dataclass(frozen=True)
class Proposal:
    """A trial to be run. ``problem`` says why its network cannot be built; it then has no shape."""

    number: int
    params: Params
    shape: Shape | None = None
    problem: str | None = None
