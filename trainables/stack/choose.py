"""Choosing how a stack computes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from trainables.stack.fused import Fused, Traces
from trainables.stack.loop import Loop
from trainables.stack.members import Members
from trainables.stack.signature import signature, why_not_fused
from trainables.stack.strategy import Strategy
from trainables.task import Task


def choose(
    task: Task, networks: Sequence[nn.Module], members: Members, traces: Traces, name: str | None = None
) -> Strategy:
    """The strategy that suits the number of members, their layers and the device.

    A single network is not worth a trace: its ordinary step is three times faster. Networks of one configuration can
    still differ, in an attribute drawn at random as they were built.

    Args:
        task: gives the loss and the metrics.
        networks: one per member, as :func:`trainables.shape.build` returns them.
        members: of these networks.
        traces: traced computations to share with other stacks.
        name: of the strategy, where the members have had one already.
    """
    why = why_not_fused(networks[0], members.theta.device)
    if name is None:
        alike = why is None and len(networks) > 1 and len({signature(n) for n in networks}) == 1
        name = Fused.name if alike else Loop.name
    return Fused(task, networks[0], members, traces) if name == Fused.name else Loop(task, networks, members, why)
