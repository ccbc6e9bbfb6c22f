"""Who chooses the next trial: what every sampler of a study file has in common.

A sampler is built anew for every draw, seeded by (seed, number of the draw): a sampler that is rebuilt with its
seed alone repeats its first proposals, so this is what lets a resumed study go on exactly as an undisturbed one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from search_spaces.space import Space
from search_spaces.study.fields import Section
from search_spaces.trials.objectives import Objective

Draws = Callable[[int], BaseSampler]
"""From the number of a draw to the sampler that makes it."""


class Sampler(Section):
    """The options of one sampler, and how it is made of them."""

    learns: ClassVar[bool] = False
    """Whether it learns from finished trials; then not all trials may be proposed at once."""

    several: ClassVar[bool] = False
    """Whether it can optimise several objectives."""

    @property
    def generation(self) -> int | None:
        """Trials that are proposed at once, none before the last such block is finished; None where it does not matter."""
        return None

    def lessons(self, past: Sequence[FrozenTrial], objective: Objective) -> Sequence[FrozenTrial]:
        """What this sampler should be shown of the trials of an earlier study."""
        return past

    def informed_draws(self, space: Space, seed: int, past: Sequence[FrozenTrial]) -> Draws:
        """The sampler over a space, in a study that begins with the trials ``past`` of another one."""
        return self.draws(space, seed)

    @abstractmethod
    def draws(self, space: Space, seed: int) -> Draws:
        """The sampler over a space.

        Raises:
            StudyError: if it cannot search this space.
        """


def draw_seed(seed: int, number: int) -> int:
    """A 32-bit seed for draw ``number`` of a study, independent between draws."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
