"""One entry of a study file's ``space``, as it is written: a range, a list of choices or one value."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from search_spaces.study.fields import Section

Scalar = None | bool | int | float | str


def _scalar(value: object) -> object:
    if not (value is None or isinstance(value, bool | int | float | str)):
        raise ValueError(f"must be a number, text, truth value or null, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be finite, got {value!r}")
    return value


def _number(value: object) -> object:
    """Numbers stay whole or not as they are written: that is what tells the two kinds of range apart."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"must be a finite number, got {value!r}")
    return value


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


Value = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["number", "string", "boolean", "null"]})]
Number = Annotated[Any, AfterValidator(_number), WithJsonSchema({"type": "number"})]
When = Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_when)]


class Entry(Section):
    """Every entry may have conditions."""

    when: When = Field(
        {}, description="other parameters, each with the value or list of values for which this one exists"
    )

    @property
    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """What Optuna draws from."""


class Choices(Entry):
    """A list of choices, also written as the list alone."""

    choices: Annotated[list[Value], Field(min_length=1), AfterValidator(_each_once)] = Field(
        description="the values to choose from, each once"
    )

    @property
    def distribution(self) -> BaseDistribution:
        """See :class:`Entry`."""
        return CategoricalDistribution(self.choices)


class Constant(Entry):
    """One value, also written as the value alone."""

    value: Value = Field(description="the only value")

    @property
    def distribution(self) -> BaseDistribution:
        """See :class:`Entry`."""
        return CategoricalDistribution([self.value])


class Range(Entry):
    """A range of numbers; of whole numbers where ``low``, ``high`` and ``step`` are whole."""

    low: Number = Field(description="smallest value")
    high: Number = Field(description="largest value, at least `low`")
    log: Annotated[bool, Field(strict=True)] = Field(
        False, description="draw evenly over magnitudes; `low` must be above 0"
    )
    step: Number | None = Field(
        None, description="distance between the values, above 0; `high` must be one of them; not with `log`"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Range:
        low, high, step = self.low, self.high, self.step
        if low > high:
            raise ValueError(f"low must not exceed high, got low={low} and high={high}")
        if self.log and low <= 0:
            raise ValueError(f"a log range must lie above 0, got low={low}")
        if step is None:
            return self
        if self.log:
            raise ValueError(f"log and step exclude each other, got step={step} with log=true")
        if step <= 0:
            raise ValueError(f"step must be above 0, got {step}")
        steps = (high - low) / step
        if abs(steps - round(steps)) > 1e-9 * max(1.0, steps):
            raise ValueError(f"high must be low plus a multiple of step, got low={low}, high={high}, step={step}")
        return self

    @property
    def distribution(self) -> BaseDistribution:
        """See :class:`Entry`."""
        low, high, step = self.low, self.high, self.step
        if all(isinstance(v, int) for v in (low, high, 1 if step is None else step)):
            return IntDistribution(low, high, log=self.log, step=1 if step is None else step)
        return FloatDistribution(float(low), float(high), log=self.log, step=None if step is None else float(step))
