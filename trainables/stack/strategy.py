"""How a stack computes with its members: the interface of ``fused`` and ``loop``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from trainables.stack.members import Members
from trainables.stack.values import Values


class Strategy(ABC):
    """A way to compute the gradients and the metrics of members, whose tensors it reads where they are.

    Only :class:`trainables.stack.stack.Stack` calls it. Members change in place between calls, except in :meth:`keep`.

    Public state: ``errors``, what members failed of, by row; ``why_loop``, the reason why members are trained one by
    one, or None; ``shrink_below``: it pays to drop members once no more than this share of them is wanted.
    """

    name: str
    shrink_below: float = 1.0

    def __init__(self, members: Members, why_loop: str | None = None) -> None:
        self.members = members
        self.why_loop = why_loop
        self.errors: dict[int, str] = {}

    @abstractmethod
    def gradients(self, inputs: Tensor, targets: Tensor, shares: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (M,) and gradients (M, P); arguments as in ``Stack.step``.

        A member that raises gets an entry in ``errors``, a loss of NaN and a gradient of zero. Where it cannot be told
        which member raised, the exception is passed on, and :meth:`fallback` is asked.
        """

    @abstractmethod
    def evaluate(self, inputs: Tensor, targets: Tensor, shares: Tensor) -> Values:
        """Loss and metrics without dropout, (M,) each: sums over rows, each times its share; else as :meth:`gradients`."""

    @abstractmethod
    def keep(self, members: Members, rows: Sequence[int]) -> None:
        """Go on with ``members``, new tensors, which are copies of these rows of the former."""

    @abstractmethod
    def fallback(self, why: str) -> Strategy | None:
        """What to go on with where this raises, ``why`` being the reason; None where an exception is final."""
