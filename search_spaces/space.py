"""The search space: what a trial may try.

A space is a mapping from parameter names to one of

    lr: {low: 1e-4, high: 1e-1, log: true}       a range; whole numbers where both ends are whole
    width: {low: 16, high: 128, step: 4}         a range on a grid
    optimizer: [adam, sgd]                       choices
    momentum: {low: 0.8, high: 0.99, when: {optimizer: sgd}}    only where the condition holds
    schedule: {choices: [cosine, constant], when: {...}}        choices with a condition
    batch_size: 64                               a constant

Each parameter maps to an Optuna distribution, so every Optuna sampler can search it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces.errors import StudyError, unknown
from search_spaces.parameter import Parameter, check_contains, parse_parameter

Params = dict[str, Any]

MOST_POINTS = 100_000
"""The largest grid that is allowed, since all of its points are listed before the search begins."""


@dataclass(frozen=True)
class Space:
    """All parameters of a study, parents before the parameters that depend on them."""

    parameters: tuple[Parameter, ...]

    @classmethod
    def parse(cls, raw: object) -> Space:
        """Build a space from the ``space`` section of a study file.

        Raises:
            StudyError: naming the parameter, the rule and the value, for anything malformed.
        """
        if not isinstance(raw, Mapping):
            raise StudyError(f"space: must map parameter names to values, got {raw!r}")
        for name in raw:
            if not isinstance(name, str) or not name.isidentifier():
                raise StudyError(f"space: a parameter's name must be an identifier, got {name!r}")
        parameters = {name: parse_parameter(name, spec) for name, spec in raw.items()}
        for parameter in parameters.values():
            _check_conditions(parameter, parameters)
        return cls(_in_order(parameters))

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        """Parameters by name."""
        return {p.name: p for p in self.parameters}

    @property
    def constant(self) -> bool:
        """Whether there is nothing to search: such a study has exactly one trial."""
        return all(p.constant for p in self.parameters)

    def suggest(self, trial: optuna.Trial) -> Params:
        """Let the trial's sampler choose every parameter that is active; returns the configuration."""
        params: Params = {}
        for p in self.parameters:
            if p.active(params):
                params[p.name] = _suggest(trial, p.name, p.distribution)
        return params

    def check(self, params: Mapping[str, Any], where: str) -> None:
        """Check that a configuration (or a part of one) lies in the space.

        Raises:
            StudyError: naming the parameter, the rule and the value.
        """
        for name, value in params.items():
            if name not in self.by_name:
                raise StudyError(f"{where}: {unknown('parameter', name, self.by_name)}")
            check_contains(f"{where}.{name}", self.by_name[name].distribution, value)
            when = self.by_name[name].when
            if not self.by_name[name].active(
                {parent: params.get(parent, values[0]) for parent, values in when.items()}
            ):
                beside = ", ".join(f"{parent} {params[parent]!r}" for parent in when if parent in params)
                raise StudyError(f"{where}.{name}: does not exist beside {beside}, got {value!r}")

    def whole(self, params: Mapping[str, Any]) -> Params:
        """A configuration from elsewhere as one of this space; constants that it lacks are filled in.

        Raises:
            StudyError: if a parameter is missing, is none of this space, lies outside it, or should not be there
                under the space's conditions.
        """
        found: Params = {}
        for p in self.parameters:
            if not p.active(found):
                continue
            if p.name not in params and not p.constant:
                raise StudyError(f"{p.name}: is missing")
            value = params.get(p.name, p.ends[0])
            check_contains(p.name, p.distribution, value)
            found[p.name] = p.distribution.to_external_repr(p.distribution.to_internal_repr(value))
        for name in params:
            if name not in found:
                why = "does not exist under the conditions of the others" if name in self.by_name else "is not searched"
                raise StudyError(f"{name}: {why}")
        return found

    def corner(self, last: bool) -> Params:
        """The configuration of every first choice and low end, or of every last choice and high end."""
        params: Params = {}
        for p in self.parameters:
            if p.active(params):
                low, *_, high = p.ends
                params[p.name] = high if last else low
        return params

    def grid(self) -> Iterator[Params]:
        """Every distinct configuration once, in a fixed order; inactive parameters are absent."""

        def extend(params: Params, rest: tuple[Parameter, ...]) -> Iterator[Params]:
            if not rest:
                yield params
                return
            head, tail = rest[0], rest[1:]
            if not head.active(params):
                yield from extend(params, tail)
                return
            for value in head.grid():
                yield from extend({**params, head.name: value}, tail)

        return extend({}, self.parameters)

    def grid_size(self) -> int:
        """Number of configurations in the grid.

        Raises:
            StudyError: if there are more than ``MOST_POINTS``, or a range has no step.
        """
        size = sum(1 for _ in itertools.islice(self.grid(), MOST_POINTS + 1))
        if size > MOST_POINTS:
            raise StudyError(f"search.sampler: a grid may have at most {MOST_POINTS} points, got more; try random")
        return size


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        d = distribution
        return trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
    if isinstance(distribution, FloatDistribution):
        f = distribution
        return trial.suggest_float(name, f.low, f.high, step=f.step, log=f.log)
    raise TypeError(f"not a distribution of a space: {distribution!r}")


def _check_conditions(parameter: Parameter, parameters: Mapping[str, Parameter]) -> None:
    where = f"space.{parameter.name}.when"
    for parent, values in parameter.when.items():
        if parent not in parameters:
            raise StudyError(
                f"{where}: {unknown('parameter of this space', parent, set(parameters) - {parameter.name})}"
            )
        for value in values:
            check_contains(f"{where}.{parent}", parameters[parent].distribution, value)


def _in_order(parameters: Mapping[str, Parameter]) -> tuple[Parameter, ...]:
    """Sort parents first, otherwise as written; conditions that form a circle are refused."""
    done: dict[str, Parameter] = {}
    rest = dict(parameters)
    while rest:
        ready = [p for p in rest.values() if all(parent in done for parent in p.when)]
        if not ready:
            raise StudyError(f"space: the conditions of {', '.join(sorted(rest))} depend on each other in a circle")
        for p in ready:
            done[p.name] = rest.pop(p.name)
    return tuple(done.values())
