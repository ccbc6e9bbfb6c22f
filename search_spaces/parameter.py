"""One hyperparameter: what it may be, when it exists, and how a study file writes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from search_spaces.errors import StudyError
from search_spaces.study.fields import Section
from search_spaces.study.messages import made

Scalar = None | bool | int | float | str


def _each_once(values: list[Any]) -> list[Any]:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"each choice may stand only once, got {value!r} twice")
    return values


def _when(raw: object) -> object:
    """Each condition as a tuple of values."""
    when = {str(k): tuple(v if isinstance(v, list) else [v]) for k, v in raw.items()} if isinstance(raw, dict) else {}
    if not when or not all(when.values()):
        raise ValueError(f"must map another parameter to its value(s), got {raw!r}")
    return when


# Unions keep whole numbers whole, which tells the two kinds of range apart; their schemas are those that people read.
Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
Step = Annotated[int | float, Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
Value = Annotated[Scalar, WithJsonSchema({"type": ["number", "string", "boolean", "null"]})]


class Entry(Section, strict=True, allow_inf_nan=False):
    """Every entry may have conditions."""

    when: Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_when)] = Field(
        {}, description="other parameters, each with the value or list of values for which this one exists"
    )


class Choices(Entry):
    """A list of choices, also written as the list alone."""

    choices: Annotated[list[Value], Field(min_length=1), AfterValidator(_each_once)] = Field(
        description="the values to choose from, each once"
    )


class Constant(Entry):
    """One value, also written as the value alone."""

    value: Value = Field(description="the only value")


class Range(Entry):
    """A range of numbers; of whole numbers where ``low``, ``high`` and ``step`` are whole."""

    low: Number = Field(description="smallest value")
    high: Number = Field(description="largest value, at least `low`")
    log: bool = Field(False, description="draw evenly over magnitudes; `low` must be above 0")
    step: Step | None = Field(
        None, description="distance between the values; `high` must be one of them; not with `log`"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Range:
        low, high, step = self.low, self.high, self.step
        if low > high:
            raise ValueError(f"low must not exceed high, got low={low} and high={high}")
        if self.log and low <= 0:
            raise ValueError(f"a log range must lie above 0, got low={low}")
        if step is not None and self.log:
            raise ValueError(f"log and step exclude each other, got step={step} with log=true")
        steps = (high - low) / (step or 1)
        if step is not None and abs(steps - round(steps)) > 1e-9 * max(1.0, steps):
            raise ValueError(f"high must be low plus a multiple of step, got low={low}, high={high}, step={step}")
        return self


@dataclass(frozen=True)
class Parameter:
    """One parameter: its Optuna distribution and the conditions under which it exists.

    ``when`` maps the name of another parameter to the values of it that switch this one on; all
    conditions must hold.
    """

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether there is only one value to take."""
        return self.distribution.single()

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """All choices, or both ends of the range; at least two values."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return d.choices if len(d.choices) > 1 else d.choices * 2
        if isinstance(d, IntDistribution | FloatDistribution):
            return d.low, d.high
        raise TypeError(f"not a distribution of a space: {d!r}")

    def active(self, params: Mapping[str, Any]) -> bool:
        """Whether this parameter exists, given those decided before it."""
        return all(
            parent in params and any(_same(params[parent], value) for value in values)
            for parent, values in self.when.items()
        )

    def grid(self) -> Iterable[Scalar]:
        """Every value in turn, for an exhaustive search.

        Raises:
            StudyError: for a range without a step, which has no finite list of values.
        """
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return list(d.choices)
        if isinstance(d, IntDistribution) and not d.log:
            return range(d.low, d.high + 1, d.step)
        if isinstance(d, FloatDistribution) and d.step is not None:
            step, low, high = d.step, d.low, d.high
            return (min(low + i * step, high) for i in range(round((high - low) / step) + 1))
        raise StudyError(
            f"space.{self.name}: a grid needs a list of choices or a range with a step, got a continuous range"
        )


def parse_parameter(name: str, spec: object) -> Parameter:
    """Read one entry of a study file's ``space``; see ``search_spaces.space`` for what it may look like.

    Raises:
        StudyError: naming the parameter, the rule and the value.
    """
    if not isinstance(spec, Mapping):
        spec = {"choices" if isinstance(spec, list) else "value": spec}
    kind: type[Choices | Constant | Range] = Choices if "choices" in spec else Constant if "value" in spec else Range
    entry = made(kind, spec, parents=("space", name))
    return Parameter(name, _distribution(entry), entry.when)


def _distribution(entry: Choices | Constant | Range) -> BaseDistribution:
    if isinstance(entry, Choices | Constant):
        return CategoricalDistribution(entry.choices if isinstance(entry, Choices) else [entry.value])
    low, high, step, log = entry.low, entry.high, entry.step, entry.log
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int | None):
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(float(low), float(high), log=log, step=None if step is None else float(step))


def _same(a: Scalar, b: Scalar) -> bool:
    """Equality, in which 0.8 + 0.05 is 0.85: what comes off a range with a step has rounding errors."""
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b


def check_contains(where: str, distribution: BaseDistribution, value: object) -> None:
    """Raise StudyError unless a distribution can produce ``value``; ``where`` names it."""
    if _contains(distribution, value):
        return
    if isinstance(distribution, CategoricalDistribution):
        valid = "one of " + ", ".join(str(choice) for choice in distribution.choices)
    elif isinstance(distribution, IntDistribution | FloatDistribution):
        step = f" in steps of {distribution.step}" if distribution.step not in (None, 1) else ""
        valid = f"between {distribution.low} and {distribution.high}{step}"
    raise StudyError(f"{where}: must be {valid}, got {value!r}")


def _contains(distribution: BaseDistribution, value: object) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        return False
    d = distribution
    if isinstance(d, IntDistribution) and not isinstance(value, int):
        return False
    steps = 0.0 if d.step is None else (value - d.low) / d.step
    return d.low <= value <= d.high and math.isclose(steps, round(steps), abs_tol=1e-9)
