"""Choosing between the fused and the loop strategy."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from trainables.recipe import Recipe
from trainables.stack.fused import FusedStack, Traces
from trainables.stack.loop import LoopStack
from trainables.stack.signature import signature, why_not_fused
from trainables.stack.stack import Stack
from trainables.task import Task


def make_stack(
    task: Task,
    networks: Sequence[nn.Module],
    recipes: Sequence[Recipe],
    epochs: int,
    device: torch.device,
    traces: Traces,
    changing: bool = False,
) -> Stack:
    """Stack networks of one signature with the strategy that suits their number, their layers and the device.

    With ``changing`` hyperparameters, dropout of rate 0 stays in place. A single network is not worth a trace: its ordinary step is three times faster. Networks of one configuration can
    still differ, in an attribute drawn at random as they were built.
    """
    if len(networks) == 1 or why_not_fused(networks[0], device) or len({signature(n) for n in networks}) > 1:
        return LoopStack(task, networks, recipes, epochs, device)
    return FusedStack(task, networks, recipes, epochs, device, traces, changing)


def as_loop(stack: Stack) -> LoopStack:
    """Go on with the same members one by one, from exactly where they are."""
    networks = [copy.deepcopy(stack.base) for _ in range(len(stack))]
    loop = LoopStack(stack.task, networks, stack.recipes, 1, stack.device)
    loop.adopt(stack)
    return loop
