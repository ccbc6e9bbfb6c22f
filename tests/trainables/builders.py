"""What the tests of training share: a small task, members of a stack, and an ordinary PyTorch loop to compare with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces.trials.outcome import Outcome
from trainables.cohort import Cohort
from trainables.data.batches import Batch, Data, MemberRows
from trainables.data.dataset import Dataset
from trainables.data.folds import Split
from trainables.layers.keyed import MemberDropout
from trainables.layers.networks import mlp
from trainables.plan import Plan
from trainables.recipe import Recipe
from trainables.shape import build
from trainables.stack.fused import Fused, Traces
from trainables.stack.loop import Loop
from trainables.stack.members import Members
from trainables.stack.rng import root_key
from trainables.stack.stack import Stack
from trainables.stack.strategy import Strategy
from trainables.task import Task

CPU = torch.device("cpu")
COUNTS = (21, 16, 24, 19)
"""Rows of four members: with batches of 8 every kind of padding, and members without rows in the last batch."""
TRIALS: dict[int, dict[str, Any]] = {
    0: {"lr": 0.01}, 3: {"lr": 0.03, "optimizer": "sgd"}, 4: {"lr": 0.02, "optimizer": "radam"}
}  # fmt: skip
"""Three trials of a cohort."""

_TRACES: dict[Task, Traces] = {}
"""Traced computations of each task, shared by its stacks as in a worker."""


class Curve(Task):
    """Three numbers to one, by a small dense network."""

    defaults: ClassVar[Mapping[str, Any]] = {"activation": "tanh", "dropout": 0.0, "width": 5}

    def load(self, data_dir: Path | None) -> Dataset:
        """40 points of a smooth function."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(40, 3))
        return Dataset(x, np.sin(x.sum(1, keepdims=True)) + x[:, :1] ** 2)

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """Two hidden layers, each with dropout."""
        return mlp([3, params["width"], 4, 1], params["activation"], params["dropout"])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error, (B,)."""
        return (outputs - targets).square().squeeze(-1)


def curve_task(network: Callable[[], nn.Module]) -> Task:
    """The task Curve with another network."""

    class OwnNetwork(Curve):
        def network(self, params: Mapping[str, Any]) -> nn.Module:
            return network()

    return OwnNetwork()


def data_of(task: Task, dtype: torch.dtype = torch.float64) -> Data:
    """The task's training rows as tensors."""
    dataset = task.load(None)
    return Data(torch.from_numpy(dataset.inputs).to(dtype), torch.from_numpy(dataset.targets).to(dtype))


def members(
    task: Task, count: int, dtype: torch.dtype = torch.float64, rates: Sequence[float] | None = None, **params: Any
) -> list[nn.Module]:
    """Networks of one signature with different weights, and different dropout rates if there are ``rates``."""
    each = [{**task.defaults, **params, **({} if rates is None else {"dropout": rates[m]})} for m in range(count)]
    return [build(task, own, root_key(7, m)).to(dtype) for m, own in enumerate(each)]


def keys_of(count: int) -> Tensor:
    """(count,) keys of the members' random numbers."""
    return torch.tensor([root_key(1, m) for m in range(count)])


def member_rows(counts: Sequence[int] = COUNTS) -> MemberRows:
    """Different rows of one data set for each member."""
    return MemberRows([np.arange(40)[-n:] if m % 2 else np.arange(n) for m, n in enumerate(counts)], CPU)


def make(
    kind: type[Strategy], task: Task, networks: Sequence[nn.Module], recipes: Sequence[Recipe], epochs: int
) -> Stack:
    """A stack with the given strategy over copies of the networks."""
    own = [copy.deepcopy(network) for network in networks]
    members = Members.of(own, recipes, CPU)
    if kind is Fused:
        return Stack(members, Fused(task, own[0], members, _TRACES.setdefault(task, {})), epochs)
    return Stack(members, Loop(task, own, members), epochs)


def as_loop(stack: Stack) -> Stack:
    """The same stack, which goes on one by one, as after an exception."""
    loop = stack.strategy.fallback("a test says so")
    assert loop is not None
    stack.strategy = loop
    return stack


def tensors_of(members: Members) -> dict[str, Tensor]:
    """Every tensor of the members, by name."""
    state = members.state()
    nested = {
        "slots": dict(enumerate(state["slots"])),
        **{n: state[n] for n in ("progress", "hyperparameters", "buffers")},
    }
    return {"theta": state["theta"]} | {f"{n}.{k}": t for n, group in nested.items() for k, t in group.items()}


def train(stack: Stack, data: Data, rows: MemberRows, keys: Tensor, epochs: range, size: int | str = 8) -> list[Batch]:
    """Train a stack for some epochs; returns its batches."""
    batches = []
    for epoch in epochs:
        for batch in rows.batches(size, keys, epoch, data.inputs.dtype):
            stack.step(data.inputs[batch.rows], data.targets[batch.rows], batch.shares, batch.keys, batch.idle)
            batches.append(batch)
        stack.end_epoch(epoch, stack.strategy.evaluate(*everything(stack, data))["loss"])
    return batches


def everything(stack: Stack, data: Data) -> tuple[Tensor, Tensor, Tensor]:
    """All rows for every member, as ``Strategy.evaluate`` wants them."""
    x, y, m = data.inputs, data.targets, len(stack)
    return x.expand(m, *x.shape), y.expand(m, *y.shape), torch.full((m, len(x)), 1 / len(x), dtype=x.dtype)


class PlainLoop:
    """One network trained with torch.optim, as a tutorial would: the reference."""

    def __init__(self, network: nn.Module, recipe: Recipe, epochs: int) -> None:
        self.network = copy.deepcopy(network)
        self.l2 = recipe.l2
        self.optimizer = torch_optimizer(recipe, self.network)
        self.schedule = torch_schedule(recipe, self.optimizer, epochs)

    def step(self, x: Tensor, y: Tensor, key: Tensor) -> float:
        """One step on the rows of one batch; dropout is driven by the batch's key."""
        self.network.train()
        for module in self.network.modules():
            if isinstance(module, MemberDropout):
                module.key = key
        self.optimizer.zero_grad()
        loss = ((self.network(x) - y) ** 2).mean()
        penalty = sum((w**2).sum() for w in self.network.parameters() if w.ndim > 1)
        (loss + self.l2 * penalty).backward()
        self.optimizer.step()
        return float(loss.detach())

    def end_epoch(self, data: Data) -> None:
        """Advance the schedule, on the loss against negated targets, which rises."""
        self.network.eval()
        with torch.no_grad():
            loss = float(((self.network(data.inputs) + data.targets) ** 2).mean())
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(loss)
        elif self.schedule is not None:
            self.schedule.step()

    @property
    def lr(self) -> float:
        """The learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])


def torch_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of torch.optim that a recipe names."""
    common = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), momentum=recipe.momentum, **common)
    names = {"adam": "Adam", "adamw": "AdamW", "radam": "RAdam", "adadelta": "Adadelta"}
    kind: type[torch.optim.Optimizer] = getattr(torch.optim, names[recipe.optimizer])
    return kind(network.parameters(), **common)


def torch_schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, epochs: int) -> Any:
    """The schedule of torch.optim.lr_scheduler that a recipe names."""
    schedulers = torch.optim.lr_scheduler
    if recipe.schedule == "exponential":
        return schedulers.ExponentialLR(optimizer, recipe.gamma)
    if recipe.schedule == "cosine":
        return schedulers.CosineAnnealingLR(optimizer, epochs)
    if recipe.schedule == "plateau":
        return schedulers.ReduceLROnPlateau(
            optimizer, factor=recipe.factor, patience=recipe.plateau_patience, cooldown=recipe.cooldown
        )
    return None


def worst_difference(stack: Stack, loops: Sequence[PlainLoop]) -> float:
    """Largest absolute difference of any parameter of any member."""
    own = [stack.members.tensors(m) for m in range(len(stack))]
    return max(
        float((own[m][name] - p.detach()).abs().max())
        for m, loop in enumerate(loops)
        for name, p in loop.network.named_parameters()
    )


def cohort(task: Task, trials: Mapping[int, Mapping[str, Any]], epochs: int = 6, folds: int = 2, **plan: Any) -> Cohort:
    """A cohort over folds of the task's 40 rows (of Curve)."""
    saved = plan.pop("saved", None)
    data = data_of(task, torch.float32)
    n = len(data.inputs)
    if folds:
        parts = np.array_split(np.random.default_rng(0).permutation(n), max(folds, 2))
        splits = [Split(np.setdiff1d(np.arange(n), part), np.sort(part)) for part in parts[:folds]]
    else:
        splits = [Split(np.arange(n), np.arange(0))]
    return Cohort(task, data, Plan(splits, epochs, key=3, **plan), list(trials.items()), saved=saved)


def run(one: Cohort) -> Cohort:
    """Train a cohort to its end."""
    while one.live:
        one.advance()
    return one


def curves(one: Cohort) -> dict[int, list[float]]:
    """Curves of the ended trials, by number."""
    return {o.number: [value for _, value in o.curve] for o in one.ended}


def ended(one: Cohort) -> dict[int, Outcome]:
    """Outcomes by number."""
    return {o.number: o for o in one.ended}
