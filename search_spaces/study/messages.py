"""What a schema allows, in words, for error messages and the reference page alike; pydantic's errors in one line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from search_spaces.errors import StudyError, TunefleetError, unknown
from search_spaces.study.fields import NAME_CHARACTERS

Schema = Mapping[str, Any]
"""A JSON schema, or a part of one."""

Model = TypeVar("Model", bound=BaseModel)

NOUNS = {
    "boolean": "truth value",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "object": "mapping",
}


def made(
    model: type[Model],
    values: Mapping[Any, Any],
    error: type[TunefleetError] = StudyError,
    parents: Sequence[str] = (),
) -> Model:
    """Build a section from values that a user gave; ``parents`` are the keys that lead to it.

    Raises:
        StudyError: or the given ``error``, in one line that names the key, the rule and the value.
    """
    try:
        return model(**{str(key): value for key, value in values.items()})
    except ValidationError as broken:
        raise error(one_line(broken, model, parents)) from broken


def one_line(error: ValidationError, model: type[BaseModel], parents: Sequence[str] = ()) -> str:
    """One error in words: key, rule, value; ``parents`` are the keys that lead to ``model``.

    It is the first one, but an unknown key comes before all others: it may be the missing one, misspelt.
    """
    errors = error.errors()
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    kind, got = first["type"], f"got {first['input']!r}"
    root = model.model_json_schema()
    own, here = _follow(first["loc"], root)
    keys = [*parents, *own]
    where = re.sub(r"\.(\d+)", r"[\1]", ".".join(keys))
    valid = [key for one in branches(here, root) for key in one.get("properties", ())]
    if kind == "extra_forbidden":
        return f"{where or 'study'}: {unknown('key', first['loc'][-1], valid)}"
    if kind == "missing":
        return f"{where}: this key is required, and missing"
    if kind == "value_error":
        return f"{where}: {first['ctx']['error']}"
    if kind == "model_type":
        return f"{where}: must be a mapping with the keys {', '.join(valid)}, {got}"
    words = in_words(here)
    return f"{where}: must be {'' if words.startswith('`') else 'a '}{words.replace('`', '')}, {got}"


def branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    """What a value may be, null aside, one schema each: unions are opened, and references to ``root`` followed."""
    for one in schema.get("anyOf", [schema]):
        if "$ref" in one:
            yield root["$defs"][one["$ref"].rpartition("/")[2]]
        elif one.get("type") != "null":
            yield one


def _follow(loc: Sequence[str | int], root: Schema) -> tuple[list[str], Schema]:
    """The keys in an error's location, and the schema of what they lead to; names of a union's branches are left out."""
    keys, here = [], root
    for part in loc:
        for one in branches(here, root):
            if isinstance(part, int):
                below = one["prefixItems"][part] if "prefixItems" in one else one.get("items")
            else:
                below = one.get("properties", {}).get(part, one.get("additionalProperties"))
            if isinstance(below, Mapping):
                keys.append(str(part))
                here = below
                break
    return keys, here


def in_words(schema: Schema, ending: str = "") -> str:
    """Type and range as people say it, names in Markdown's code spans; with ``ending`` s in the plural."""
    if "anyOf" in schema:
        return ", or ".join(in_words(one, ending) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return one_of(schema.get("enum", [schema.get("const")]))
    if "$ref" in schema:
        return "section" + ending
    kind, filled = schema.get("type"), "non-empty " * any(f"min{of}" in schema for of in ("Length", "Items"))
    if isinstance(kind, list):
        return one_of([NOUNS[one] + ending if one in NOUNS else one for one in kind], quote="")
    if kind == "boolean":
        return "`true` or `false`"
    if kind == "array" and "prefixItems" in schema:
        return f"list{ending} of a " + " and a ".join(map(in_words, schema["prefixItems"]))
    if kind == "array":
        return f"{filled}list{ending} of {in_words(schema['items'], 's')}"
    if kind == "string" and "pattern" in schema:
        return f"text{ending} of {NAME_CHARACTERS}"
    if kind in ("integer", "number"):
        return NOUNS[kind] + ending + _bounds(schema, step=int(kind == "integer"))
    return filled + NOUNS[kind] + ending if kind else "anything"


def _bounds(schema: Schema, step: int) -> str:
    """The bounds of a number; those that whole numbers cannot reach (``step`` 1) as those that they can."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if step:
        low, above = (low, None) if above is None else (above + step, None)
        high, below = (high, None) if below is None else (below - step, None)
    if low is not None and high is not None:
        return f" from {_spaced(low)} to {_spaced(high)}"
    ends = (("at least", low), ("above", above), ("at most", high), ("below", below))
    text = ", ".join(f"{words} {_spaced(end)}" for words, end in ends if end is not None)
    return (" of " if text.startswith("at") else " " if text else "") + text


def _spaced(number: float) -> str:
    """A number with its digits in groups."""
    return f"{number:,}".removesuffix(".0").replace(",", " ")


def one_of(names: Collection[Any], quote: str = "`") -> str:
    """Names in code spans: a, b or c."""
    *others, last = [f"{quote}{name}{quote}" for name in names]
    return f"{', '.join(others)} or {last}" if others else last
