"""The clock of the exact order: when trials would end if nothing but their own length played a part."""

from __future__ import annotations

from dataclasses import dataclass, field

from search_spaces.trials.outcome import Outcome


@dataclass
class Clock:
    """The exact order: trials end after so many units of their own cost, from when they were proposed.

    A trial that has trained e epochs ends at ``start + e * cost`` or later, so the next to end is known once no other
    trial can still end before it. Of two that end at one time the lower number comes first.
    """

    now: float = 0.0
    _start: dict[int, float] = field(default_factory=dict)
    _cost: dict[int, float] = field(default_factory=dict)
    _epochs: dict[int, int] = field(default_factory=dict)

    def begin(self, number: int, cost: float) -> None:
        """A trial is proposed."""
        self._start[number], self._cost[number], self._epochs[number] = self.now, cost, 0

    def reached(self, number: int, epoch: int) -> None:
        """A trial has trained so many epochs."""
        if number in self._epochs:
            self._epochs[number] = max(self._epochs[number], epoch)

    def next(self, ended: dict[int, Outcome], certain: bool = False) -> int | None:
        """The trial that ends next, if that is certain (as it is where it did so in an earlier run); it is then forgotten."""

        def end(number: int) -> tuple[float, int]:
            epochs = max(self._epochs[number], ended[number].epochs if number in ended else 0)
            return self._start[number] + epochs * self._cost[number], number

        first = min(map(end, ended if certain else self._start), default=None)
        if first is None or first[1] not in ended:
            return None
        at, number = first
        self.now = at
        del self._start[number], self._cost[number], self._epochs[number]
        return number
