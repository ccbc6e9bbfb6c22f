"""Training a cohort: some trials of one shape, all their folds, as one stack, epoch by epoch.

To its trials the cohort is invisible: each has its own curve, early stop and failure.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from optuna.trial import TrialState
from torch import Tensor, nn

from search_spaces.choosing.population import Schedule
from search_spaces.errors import reason
from search_spaces.trials.outcome import Epoch, Outcome
from trainables.data.batches import MemberRows
from trainables.layers.standardise import fit_layers, has_fitted_layers
from trainables.plan import Data, Plan
from trainables.recipe import OPTIMIZERS, Recipe, network_params
from trainables.stack.fused import Traces
from trainables.stack.loop import LoopStack
from trainables.stack.rng import root_key
from trainables.stack.signature import build, why_not_fused
from trainables.stack.stack import Values, finished_means
from trainables.stack.strategy import as_loop, make_stack
from trainables.task import Task
from trainables.trial_run import TrialRun

EVALUATION_ROWS = 1024
EVALUATION_NUMBERS = 2**22
"""Most rows, and most input numbers of all members, in one evaluation call: what bounds its memory."""

Result = TypeVar("Result")
TrialConfig = tuple[int, Mapping[str, Any]]


class Cohort:
    """Trials of one shape in training.

    Args:
        task: the study's task.
        data: all rows that the plan's splits point to, on the device to train on.
        plan: splits, epochs, early stopping.
        trials: number and configuration of each trial.
        traces: traced computations to share with other cohorts of this worker.
        saved: by number, what :meth:`state` returned, all after the same epoch.

    Public state: ``ended``, the outcomes of trials that are no longer in training; ``weights``, by trial, a state
    dict per member; ``why_loop``, for what reason members are trained one by one. Trials whose network cannot be built
    have failed at once.
    """

    def __init__(
        self,
        task: Task,
        data: Data,
        plan: Plan,
        trials: Iterable[TrialConfig],
        traces: Traces | None = None,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        self.task, self.data, self.plan = task, data, plan
        self.epoch = 0
        self.ended: list[Outcome] = []
        self.weights: dict[int, list[Values]] = {}
        self.why_loop: str | None = None
        self._runs: dict[int, TrialRun] = {}
        networks: dict[int, list[nn.Module]] = {}
        recipes: dict[int, Recipe] = {}
        for number, params in trials:
            run = TrialRun(number, params, task.objective, latest_is_best=not len(plan.splits[0].validation))
            try:
                recipes[number] = Recipe.of(params)
                full = network_params(task, params)
                networks[number] = [self._built(full, number, fold) for fold in range(len(plan.splits))]
            except Exception as error:  # this configuration's network, nobody else's
                self.ended.append(run.outcome(TrialState.FAIL, reason(error)))
                continue
            self._runs[number] = run
        # Members of one optimizer stand together, so that each optimizer is one update.
        order = sorted(self._runs, key=lambda n: (OPTIMIZERS.index(recipes[n].optimizer), n))
        self._members = [(number, fold) for number in order for fold in range(len(plan.splits))]
        if order:
            self._batch_size = recipes[order[0]].batch_size
            self._stack = make_stack(
                task,
                [networks[number][fold] for number, fold in self._members],
                [recipes[number] for number, _ in self._members],
                plan.epochs,
                data.inputs.device,
                traces if traces is not None else {},
                plan.changing,
            )
            if isinstance(self._stack, LoopStack):
                self.why_loop = why_not_fused(self._stack.base, data.inputs.device)
            self._restore(saved or {})
            self._place()
            self._best = self._learned() if plan.keep_best else {}

    @property
    def live(self) -> list[int]:
        """Numbers of the trials in training."""
        return sorted(self._runs)

    def advance(self) -> dict[int, Epoch]:
        """Train one epoch; returns its results by trial. Trials that end with it are appended to ``ended``."""
        started = time.perf_counter()
        self.epoch += 1
        train_loss = self._train()
        values = self._evaluate(self._validation, self.data) if self._validation else {"loss": train_loss}
        self._stack.end_epoch(self.epoch, values["loss"])
        if self._watch:
            values |= {f"test_{name}": value for name, value in self._evaluate(self._watch, self._watched).items()}
        table = {name: v.cpu().numpy() for name, v in values.items()}
        losses, rates = train_loss.double().cpu().numpy(), self._stack.lr.cpu().numpy()
        seconds = (time.perf_counter() - started) / len(self._runs)
        results: dict[int, Epoch] = {}
        metric = self.task.metric if self._validation else "loss"
        for number, rows in self._rows().items():
            run = self._runs[number]
            run.seconds += seconds
            errors = [self._stack.errors[row] for row in rows if row in self._stack.errors]
            if errors:
                self._end(number, TrialState.FAIL, errors[0])
                continue
            means = {name: float(v[rows].mean()) for name, v in table.items()}
            value, folds = means[metric], tuple(table[metric][rows].tolist())
            epoch = Epoch(self.epoch, value, float(losses[rows].mean()), float(rates[rows[0]]), means, folds)
            if not (math.isfinite(value) and math.isfinite(epoch.train_loss)):
                self._end(number, TrialState.FAIL, f"the loss is not finite after epoch {self.epoch}")
                continue
            results[number] = epoch
            if run.record(epoch):
                for name, kept in self._best.items():
                    kept[rows] = self._stack.members[name][rows]
            if self.epoch >= self.plan.epochs or run.out_of_patience(self.plan.patience):
                self._end(number, TrialState.COMPLETE)
        self._compact()
        return results

    def stop(self, numbers: Iterable[int], reason: str | None = None) -> None:
        """End trials early, as PRUNED."""
        for number in numbers:
            self._end(number, TrialState.PRUNED, reason)
        self._compact()

    def params(self, number: int) -> dict[str, Any]:
        """The hyperparameters that a trial in training goes by now."""
        return dict(self._runs[number].params)

    def schedule(self, number: int) -> Schedule:
        """The hyperparameters that a trial in training has gone by so far, where they changed."""
        return self._runs[number].schedule

    def exploit(self, target: int, source: int, params: Mapping[str, Any]) -> None:
        """Trial ``target`` goes on from an exact copy of ``source``, fold by fold, with other hyperparameters.

        Raises:
            TaskError: if a value breaks its rule.
        """
        rows = self._rows()
        for theirs, own in zip(rows[source], rows[target], strict=True):
            self._stack.copy(theirs, own)
        self._follow(target, source, params)

    def change(self, params: Mapping[str, Any]) -> None:
        """All trials go on with other hyperparameters; errors as in :meth:`exploit`."""
        for number in self.live:
            self._follow(number, number, params)

    def _follow(self, target: int, source: int, params: Mapping[str, Any]) -> None:
        recipe, full = Recipe.of(params), network_params(self.task, params)
        before = _buffers(self.task, network_params(self.task, self._runs[source].params))
        # Buffers that differ between networks of one key are those that hold hyperparameters.
        changed = {n: b for n, b in _buffers(self.task, full).items() if not torch.equal(b, before[n])}
        for row in self._rows()[target]:
            self._stack.change(row, recipe, changed)
        self._runs[target].follow(self._runs[source], self.epoch, params)

    def fail(self, reason: str) -> None:
        """End every trial in training as failed, all for one reason."""
        for number in self.live:
            self._end(number, TrialState.FAIL, reason)

    def outcome(self, number: int) -> Outcome:
        """TEMP."""
        o = self._runs[number].outcome(TrialState.PRUNED, None)
        return replace(o, metrics={**o.metrics, "parameters": self._stack.layout.size})

    def drop(self, numbers: Iterable[int]) -> None:
        """TEMP."""
        for number in numbers:
            self._runs.pop(number, None)
        if self._runs:
            self._compact()

    def state(self) -> dict[str, Any]:
        """TEMP."""
        return {
            "epoch": self.epoch,
            "rows": [list(m) for m in self._members],
            "members": [self._stack.state(r) for r in range(len(self._members))],
            "runs": {n: r.state() for n, r in self._runs.items()},
        }

    def _built(self, params: Mapping[str, Any], number: int, fold: int) -> nn.Module:
        """A network with its initial weights, and the statistics of its fold's training rows."""
        network = build(self.task, params, self._key(number, fold))
        if has_fitted_layers(network):
            rows = torch.from_numpy(self.plan.splits[fold].train).to(self.data.inputs.device)
            fit_layers(network, self.data.inputs[rows], self.data.targets[rows])
        return network

    def _key(self, number: int, fold: int) -> int:
        return root_key(self.plan.key, number, fold)

    def _rows(self) -> dict[int, list[int]]:
        """Rows in the stack of each trial in training."""
        rows: dict[int, list[int]] = {number: [] for number in self._runs}
        for row, (number, _) in enumerate(self._members):
            if number in rows:
                rows[number].append(row)
        return rows

    def _place(self) -> None:
        """Lay out the members' rows of data and their keys."""
        device = self.data.inputs.device
        splits = [self.plan.splits[fold] for _, fold in self._members]
        self._keys = torch.tensor([self._key(*member) for member in self._members], device=device)
        self._train_rows = MemberRows([s.train for s in splits], device)
        validated = len(splits[0].validation) > 0
        self._validation = MemberRows([s.validation for s in splits], device) if validated else None
        self._watch = None
        if self.plan.watch is not None:
            self._watched = Data.on(device, *self.plan.watch)
            self._watch = MemberRows([np.arange(len(self._watched.inputs)) for _ in splits], device)

    def _train(self) -> Tensor:
        """One epoch of steps; returns each member's training loss (M,), a mean over its rows."""
        total = torch.zeros(len(self._members), dtype=torch.float64, device=self.data.inputs.device)
        used = torch.zeros_like(total)
        dtype = self._stack.theta.dtype
        for batch in self._train_rows.batches(self._batch_size, self._keys, self.epoch, dtype):
            inputs, targets = self.data.inputs[batch.rows], self.data.targets[batch.rows]
            loss = self._guarded(
                lambda x=inputs, y=targets, b=batch: self._stack.step(x, y, b.shares, b.keys, b.idle)  # type: ignore[misc]
            )
            rows = (batch.shares > 0).sum(1)
            total += torch.where(rows > 0, loss, 0.0) * rows
            used += rows
        return total / used

    def _evaluate(self, members: MemberRows, data: Data) -> Values:
        numbers = math.prod(self.data.inputs.shape[1:]) * len(self._members)
        size = max(1, min(EVALUATION_ROWS, EVALUATION_NUMBERS // numbers))
        totals: Values = {}
        for rows, counted in members.chunks(size, self._stack.theta.dtype):
            inputs, targets = data.inputs[rows], data.targets[rows]
            values = self._guarded(
                lambda x=inputs, y=targets, c=counted: self._stack.evaluate(x, y, c)  # type: ignore[misc]
            )
            totals = {name: value.double() + totals.get(name, 0) for name, value in values.items()}
        # Divided last: an accuracy of 1 is then 1, not the sum of so many rounded shares.
        return finished_means(self.task, {name: total / members.counts for name, total in totals.items()})

    def _guarded(self, call: Callable[[], Result]) -> Result:
        """Call the stack; where a fused stack raises, repeat the call member by member, so that the culprit fails
        alone. Nothing has been updated by then: gradients come first.
        """
        try:
            return call()
        except Exception as error:
            if isinstance(self._stack, LoopStack):
                raise
            self.why_loop = reason(error)
            self._stack = as_loop(self._stack)
            return call()

    def _learned(self) -> Values:
        """Copies of what training changes in the networks: parameters and buffers."""
        return {n: t.clone() for n, t in self._stack.members.items() if n == "theta" or n.startswith("constant:")}

    def _end(self, number: int, state: TrialState, reason: str | None = None) -> None:
        if self._best and state is TrialState.COMPLETE:
            self.weights[number] = [self._stack.tensors(row, self._best) for row in self._rows()[number]]
        outcome = self._runs.pop(number).outcome(state, reason)
        self.ended.append(replace(outcome, metrics={**outcome.metrics, "parameters": self._stack.layout.size}))

    def _compact(self) -> None:
        """Drop the members of ended trials, once enough of them have gone."""
        rows = [row for row, (number, _) in enumerate(self._members) if number in self._runs]
        if not rows or len(rows) == len(self._members) or len(rows) > self._stack.shrink_below * len(self._members):
            return
        self._stack.keep(rows)
        self._members = [self._members[row] for row in rows]
        self._best = {name: kept[rows] for name, kept in self._best.items()}
        self._place()

    def _restore(self, saved: Mapping[str, Any]) -> None:
        if not saved:
            return
        self.epoch = saved["epoch"]
        for number, state in saved["runs"].items():
            self._runs[number].restore(state)
        where = {tuple(m): i for i, m in enumerate(saved["rows"])}
        for row, member in enumerate(self._members):
            self._stack.load_state(row, saved["members"][where[member]])


def _buffers(task: Task, params: Mapping[str, Any]) -> Values:
    return dict(build(task, params, key=0).named_buffers())
