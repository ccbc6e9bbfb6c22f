"""One entry of a study file's ``space``, as it is written: a range, a list of choices or one value."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from search_spaces.study.fields import Section

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
