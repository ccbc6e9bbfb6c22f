"""Training a cohort: some trials of one shape, all their folds, as one stack, epoch by epoch.

To its trials the cohort is invisible: each has its own curve, early stop and failure.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from optuna.trial import TrialState
from torch import nn

from search_spaces.choosing.population import Schedule
from search_spaces.errors import reason
from search_spaces.trials.outcome import Epoch, Outcome
from trainables.data.batches import Data
from trainables.layers.keyed import switch_off_idle_dropout
from trainables.layers.standardise import fit_layers, has_fitted_layers
from trainables.passes import Passes, member_key
from trainables.plan import Plan
from trainables.recipe import Recipe, network_params
from trainables.shape import build
from trainables.stack.choose import choose
from trainables.stack.fused import Traces
from trainables.stack.members import Members
from trainables.stack.optimizers import OPTIMIZERS
from trainables.stack.stack import Stack
from trainables.stack.values import Values
from trainables.task import Task
from trainables.trial_run import TrialRun

TrialConfig = tuple[int, Mapping[str, Any]]


class Cohort:
    """Trials of one shape in training.

    Args:
        task: the study's task.
        data: all rows that the plan's splits point to, on the device to train on.
        plan: splits, epochs, early stopping.
        trials: number and configuration of each trial.
        traces: traced computations to share with other cohorts of this worker.
        saved: what :meth:`state` returned; its trials and their configurations then take the place of ``trials``.

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
        self._best: dict[int, list[Values]] = {}
        if saved is None:
            self._begin(trials, traces if traces is not None else {})
        else:
            self._go_on(saved, traces if traces is not None else {})

    @property
    def live(self) -> list[int]:
        """Numbers of the trials in training."""
        return sorted(self._runs)

    def advance(self) -> dict[int, Epoch]:
        """Train one epoch; returns its results by trial. Trials that end with it are appended to ``ended``."""
        started, strategy = time.perf_counter(), self._stack.strategy
        self.epoch += 1
        train_loss = self._passes.train(self.epoch)
        validation = self._passes.validate()
        values = {"loss": train_loss} if validation is None else validation
        self._stack.end_epoch(self.epoch, values["loss"])
        table = {name: v.cpu().numpy() for name, v in (values | self._passes.watch()).items()}
        losses, rates = train_loss.double().cpu().numpy(), self._stack.lr.cpu().numpy()
        seconds = (time.perf_counter() - started) / len(self._runs)
        if self._stack.strategy is not strategy:
            self.why_loop = self._stack.strategy.why_loop
        results: dict[int, Epoch] = {}
        metric = "loss" if validation is None else self.task.metric
        for number, rows in self._rows().items():
            self._runs[number].seconds += seconds
            errors = self._stack.strategy.errors
            if any(row in errors for row in rows):
                self._end(number, TrialState.FAIL, next(errors[row] for row in rows if row in errors))
                continue
            means = {name: float(v[rows].mean()) for name, v in table.items()}
            value, folds = means[metric], tuple(table[metric][rows].tolist())
            epoch = Epoch(self.epoch, value, float(losses[rows].mean()), float(rates[rows[0]]), means, folds)
            if not (math.isfinite(value) and math.isfinite(epoch.train_loss)):
                self._end(number, TrialState.FAIL, f"the loss is not finite after epoch {self.epoch}")
                continue
            results[number] = epoch
            self._record(number, rows, epoch)
        self._compact()
        return results

    def stop(self, numbers: Iterable[int], reason: str | None = None) -> None:
        """End trials early, as PRUNED."""
        for number in numbers:
            self._end(number, TrialState.PRUNED, reason)
        self._compact()

    def fail(self, reason: str) -> None:
        """End every trial in training as failed, all for one reason."""
        for number in self.live:
            self._end(number, TrialState.FAIL, reason)

    def drop(self, numbers: Iterable[int]) -> None:
        """Take trials out whose outcome the driver knows already."""
        for number in numbers:
            del self._runs[number]
            self._best.pop(number, None)
        self._compact()

    def outcome(self, number: int) -> Outcome:
        """The outcome of a trial in training, as if it were stopped now."""
        return self._outcome(self._runs[number], TrialState.PRUNED)

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

    def state(self) -> dict[str, Any]:
        """Everything that the trials in training need to go on to the same bits: tensors on the CPU, plain values.

        Rows of ended trials that are still in the stack are part of it: how a tensor is added up depends on its size.
        """
        return {
            "epoch": self.epoch,
            "runs": {number: run.state() for number, run in self._runs.items()},
            "rows": [list(member) for member in self._members] if self._runs else [],
            "members": self._stack.members.state() if self._runs else {},
            "strategy": self._stack.strategy.name if self._runs else None,
            "best": {n: [{k: t.cpu() for k, t in one.items()} for one in kept] for n, kept in self._best.items()},
        }

    def _begin(self, trials: Iterable[TrialConfig], traces: Traces) -> None:
        """Build the trials' networks, and stack them."""
        networks: dict[int, list[nn.Module]] = {}
        recipes: dict[int, Recipe] = {}
        for number, params in trials:
            run = self._run(number, params)
            try:
                recipes[number] = Recipe.of(params)
                networks[number] = self._built(number, params)
            except Exception as error:  # this configuration's network, nobody else's
                self.ended.append(run.outcome(TrialState.FAIL, reason(error)))
                continue
            self._runs[number] = run
        # Members of one optimizer stand together, so that each optimizer is one update.
        places = list(OPTIMIZERS)
        order = sorted(self._runs, key=lambda n: (places.index(recipes[n].optimizer), n))
        self._members = [(number, fold) for number in order for fold in range(len(self.plan.splits))]
        own = [networks[number][fold] for number, fold in self._members]
        if own:
            members = Members.of(own, [recipes[number] for number, _ in self._members], self.data.inputs.device)
            self._stacked(own, members, traces)

    def _go_on(self, saved: Mapping[str, Any], traces: Traces) -> None:
        """Put back what :meth:`state` returned."""
        self.epoch = saved["epoch"]
        self._members = [(number, fold) for number, fold in saved["rows"]]
        for number, state in saved["runs"].items():
            self._runs[number] = self._run(number, state["params"])
            self._runs[number].restore(state)
        networks = {number: self._built(number, run.params) for number, run in self._runs.items()}
        own = [networks[number][fold] for number, fold in self._members if number in networks]
        if own:
            members = Members.load(saved["members"], own[0], self.data.inputs.device)
            self._stacked(own, members, traces, saved["strategy"])
            device = self.data.inputs.device
            for number, kept in saved["best"].items():
                self._best[number] = [{name: tensor.to(device) for name, tensor in one.items()} for one in kept]

    def _stacked(
        self, networks: list[nn.Module], members: Members, traces: Traces, strategy: str | None = None
    ) -> None:
        if not self.plan.changing:
            switch_off_idle_dropout(networks)
        chosen = choose(self.task, networks, members, traces, strategy)
        self.why_loop = chosen.why_loop
        self._stack = Stack(members, chosen, self.plan.epochs)
        batch_size = Recipe.of(next(iter(self._runs.values())).params).batch_size
        self._passes = Passes(self.task, self.data, self.plan, self._stack, self._members, batch_size)

    def _run(self, number: int, params: Mapping[str, Any]) -> TrialRun:
        latest_is_best = not len(self.plan.splits[0].validation)
        return TrialRun(number, params, self.task.objective, latest_is_best=latest_is_best)

    def _built(self, number: int, params: Mapping[str, Any]) -> list[nn.Module]:
        """A network per fold with its initial weights, and the statistics of its fold's training rows."""
        networks = []
        for fold, split in enumerate(self.plan.splits):
            network = build(self.task, network_params(self.task, params), member_key(self.plan, number, fold))
            if has_fitted_layers(network):
                rows = torch.from_numpy(split.train).to(self.data.inputs.device)
                fit_layers(network, self.data.inputs[rows], self.data.targets[rows])
            networks.append(network)
        return networks

    def _rows(self) -> dict[int, list[int]]:
        """Rows in the stack of each trial in training."""
        rows: dict[int, list[int]] = {number: [] for number in self._runs}
        for row, (number, _) in enumerate(self._members):
            if number in rows:
                rows[number].append(row)
        return rows

    def _record(self, number: int, rows: list[int], epoch: Epoch) -> None:
        run = self._runs[number]
        if run.record(epoch) and self.plan.keep_best:
            tensors = (self._stack.members.tensors(row) for row in rows)
            self._best[number] = [{name: tensor.clone() for name, tensor in own.items()} for own in tensors]
        if self.epoch >= self.plan.epochs or run.out_of_patience(self.plan.patience):
            self._end(number, TrialState.COMPLETE)

    def _follow(self, target: int, source: int, params: Mapping[str, Any]) -> None:
        if not self.plan.changing:  # dropout of rate 0 is switched off then, whatever becomes of its rate
            raise ValueError("hyperparameters change only under a plan that says so")
        recipe, full = Recipe.of(params), network_params(self.task, params)
        before = _buffers(self.task, network_params(self.task, self._runs[source].params))
        # Buffers that differ between networks of one key are those that hold hyperparameters.
        changed = {n: b for n, b in _buffers(self.task, full).items() if not torch.equal(b, before[n])}
        for row in self._rows()[target]:
            self._stack.change(row, recipe, changed)
        self._runs[target].follow(self._runs[source], self.epoch, params)

    def _outcome(self, run: TrialRun, state: TrialState, reason: str | None = None) -> Outcome:
        outcome = run.outcome(state, reason)
        return replace(outcome, metrics={**outcome.metrics, "parameters": self._stack.members.layout.size})

    def _end(self, number: int, state: TrialState, reason: str | None = None) -> None:
        best = self._best.pop(number, None)
        if best is not None and state is TrialState.COMPLETE:
            self.weights[number] = best
        self.ended.append(self._outcome(self._runs.pop(number), state, reason))

    def _compact(self) -> None:
        """Drop the members of ended trials, once enough of them have gone."""
        rows = [row for row, (number, _) in enumerate(self._members) if number in self._runs]
        if not rows or len(rows) == len(self._members):
            return
        if len(rows) > self._stack.strategy.shrink_below * len(self._members):
            return
        self._stack.keep(rows)
        self._members = [self._members[row] for row in rows]
        self._passes.place(self._members)


def _buffers(task: Task, params: Mapping[str, Any]) -> Values:
    return dict(build(task, params, key=0).named_buffers())
