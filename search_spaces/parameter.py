"""One hyperparameter: what it may be, when it exists, and how a study file writes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces.errors import StudyError, unknown

Scalar = None | bool | int | float | str

_WHEN = {"when": ("mapping", "none", "other parameters, with the value or list of values for which this one exists")}
RANGE_KEYS = {
    "low": ("number", "required", "smallest value"),
    "high": (
        "number of at least low",
        "required",
        "largest value; where both ends are whole numbers, so are the values",
    ),
    "log": ("`true` or `false`", "`false`", "draw evenly over magnitudes; low must be above 0"),
    "step": ("number above 0", "none", "distance of the values, of which high must be one; not with log"),
    **_WHEN,
}
CHOICE_KEYS = {"choices": ("non-empty list", "required", "numbers, texts, true, false and null, each once"), **_WHEN}
CONSTANT_KEYS = {"value": ("number, text, `true`, `false` or null", "required", "the only value"), **_WHEN}
"""Keys of an entry of a space: type and range, default, meaning."""


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
    if isinstance(spec, list):
        return Parameter(name, _choices(name, spec))
    if not isinstance(spec, Mapping):
        return Parameter(name, _choices(name, [spec]))
    keys = set(spec)
    if "choices" in keys:
        allowed = CHOICE_KEYS
    elif "value" in keys:
        allowed = CONSTANT_KEYS
    else:
        allowed = RANGE_KEYS
    for key in spec:
        if key not in allowed:
            raise StudyError(f"space.{name}: {unknown('key', key, allowed)}")
    when = _parse_when(name, spec.get("when"))
    if "choices" in keys:
        return Parameter(name, _choices(name, spec["choices"]), when)
    if "value" in keys:
        return Parameter(name, _choices(name, [spec["value"]]), when)
    return Parameter(name, _range(name, spec), when)


def _choices(name: str, values: object) -> CategoricalDistribution:
    if not isinstance(values, list) or not values:
        raise StudyError(f"space.{name}: choices must be a non-empty list, got {values!r}")
    for i, value in enumerate(values):
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise StudyError(
                f"space.{name}: each choice must be a number, a text, a truth value or null, got {value!r}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise StudyError(f"space.{name}: a choice must be finite, got {value!r}")
        if value in values[:i]:
            raise StudyError(f"space.{name}: each choice may stand only once, got {value!r} twice")
    return CategoricalDistribution(values)


def _range(name: str, spec: Mapping[str, Any]) -> BaseDistribution:
    for end in ("low", "high"):
        if end not in spec:
            raise StudyError(f"space.{name}: a range needs both low and high, '{end}' is missing")
        _check_number(f"space.{name}.{end}", spec[end])
    low, high, step, log = spec["low"], spec["high"], spec.get("step"), spec.get("log", False)
    if not isinstance(log, bool):
        raise StudyError(f"space.{name}.log: must be true or false, got {log!r}")
    if low > high:
        raise StudyError(f"space.{name}: low must not exceed high, got low={low} and high={high}")
    if log and low <= 0:
        raise StudyError(f"space.{name}: a log range must lie above 0, got low={low}")
    if step is not None:
        _check_number(f"space.{name}.step", step)
        if log:
            raise StudyError(f"space.{name}: log and step exclude each other, got step={step} with log=true")
        if step <= 0:
            raise StudyError(f"space.{name}.step: must be above 0, got {step}")
        steps = (high - low) / step
        if abs(steps - round(steps)) > 1e-9 * max(1.0, steps):
            raise StudyError(
                f"space.{name}: high must be low plus a multiple of step, got low={low}, high={high}, step={step}"
            )
    if all(isinstance(v, int) for v in (low, high, 1 if step is None else step)):
        return IntDistribution(low, high, log=log, step=1 if step is None else step)
    return FloatDistribution(float(low), float(high), log=log, step=None if step is None else float(step))


def _check_number(where: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise StudyError(f"{where}: must be a finite number, got {value!r}")


def _parse_when(name: str, raw: object) -> dict[str, tuple[Scalar, ...]]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not raw:
        raise StudyError(f"space.{name}.when: must map another parameter to its value(s), got {raw!r}")
    when = {str(parent): tuple(v if isinstance(v, list) else [v]) for parent, v in raw.items()}
    if not all(when.values()):
        raise StudyError(f"space.{name}.when: must map another parameter to its value(s), got {dict(raw)!r}")
    return when


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
