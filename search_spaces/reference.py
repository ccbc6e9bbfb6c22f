"""The reference of study files in Markdown, generated from the models that check them, so that it cannot be out of date."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from search_spaces.choosing.samplers import SAMPLERS, Sampler
from search_spaces.parameter import CHOICE_KEYS, CONSTANT_KEYS, RANGE_KEYS
from search_spaces.study.fields import NAME_CHARACTERS
from search_spaces.study.study import Study

NOUNS = {"string": "text", "integer": "whole number", "number": "number", "object": "mapping"}
COLUMNS = ("Key", "Type and range", "Default", "Meaning")
EXAMPLES = {
    "": "task: digits\nspace:\n  width: [16, 32, 64]\n  lr: {low: 1e-4, high: 1e-1, log: true}\n"
    "search: {sampler: tpe, trials: 40}\nprofiles:\n  quick: {search.trials: 8, task_options.epochs: 5}",
    "task_options": "task_options: {folds: 5, epochs: 150, subset: 80}",
    "search": "search: {sampler: tpe, trials: 100, seed: 0, options: {n_startup_trials: 20}, enqueue: [{lr: 0.001}]}",
    "early_stopping": "early_stopping:\n  asha: {grace_period: 10, reduction_factor: 3}\n  patience: 30",
    "resources": "resources: {cpu: 2, gpu: 0.5}",
    "refit": "refit: {epochs: 150, seeds: 5, validation: 0.1, params: {lr: 0.01}}",
}
SPACE = """space:
  lr: {low: 1e-4, high: 1e-1, log: true}                        # a range
  width: {low: 16, high: 128, step: 4}                          # whole numbers: 16, 20, 24, ...
  optimizer: [adam, sgd]                                        # choices, short for {choices: [adam, sgd]}
  momentum: {low: 0.8, high: 0.99, when: {optimizer: sgd}}      # only beside sgd
  schedule: {choices: [cosine, constant], when: {width: [16, 20]}}
  batch_size: 64                                                # a constant, short for {value: 64}"""


@dataclass(frozen=True)
class Option:
    """One key of a study file.

    Args:
        key: dotted path; ``[]`` stands for a place in a list.
        schemas: JSON schemas of what it may be.
        default: in YAML's spelling.
        meaning: in one sentence or less.
        sections: models of the sections that it may hold, each with the path of their keys.
    """

    key: str
    schemas: tuple[Mapping[str, Any], ...]
    default: str
    meaning: str
    sections: tuple[tuple[str, type[BaseModel]], ...]

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The cells of its row."""
        return f"`{self.key}`", ", or ".join(map(in_words, self.schemas)), self.default, self.meaning


def options(model: type[BaseModel], prefix: str = "", deep: bool = True) -> Iterator[Option]:
    """All keys of a section, each followed by those of the sections below it where ``deep``."""
    properties = model.model_json_schema()["properties"] if model.model_fields else {}
    for name, field in model.model_fields.items():
        key, schema = prefix + name, properties[name]
        sections = tuple(_sections(key, field.annotation))
        schemas = tuple(s for s in schema.get("anyOf", [schema]) if s.get("type") != "null")
        if field.is_required():
            default = "required"
        elif field.default_factory is None:
            default = in_yaml(field.default)
        else:  # a class, such as dict, always makes the same
            default = in_yaml(field.default_factory()) if isinstance(field.default_factory, type) else "drawn at random"
        meaning = field.description or prose(*(kind for _, kind in sections))
        yield Option(key, schemas, default, meaning, sections)
        for path, section in sections if deep else ():
            yield from options(section, path + ".")


def _sections(path: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models in an annotation, with the paths that lead to them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation
    for argument in get_args(annotation):
        yield from _sections(path + "[]" * (get_origin(annotation) is list), argument)


def in_words(schema: Mapping[str, Any], ending: str = "") -> str:
    """Type and range of a JSON schema as people say it; with ``ending`` s in the plural."""
    if "enum" in schema or "const" in schema:
        return one_of(schema.get("enum", [schema.get("const")]))
    if "$ref" in schema or "allOf" in schema:
        return "section" + ending
    kind = schema.get("type")
    if kind == "boolean":
        return "`true` or `false`"
    if kind == "array" and "prefixItems" in schema:
        return f"list{ending} of a " + " and a ".join(map(in_words, schema["prefixItems"]))
    if kind == "array":
        return f"list{ending} of {in_words(schema['items'], 's')}"
    if kind not in NOUNS:
        return "anything"
    if kind == "string":
        return (
            "non-empty " * ("minLength" in schema) + "text" + ending + f" of {NAME_CHARACTERS}" * ("pattern" in schema)
        )
    return NOUNS[kind] + ending + _bounds(schema, step=int(kind == "integer"))


def _bounds(schema: Mapping[str, Any], step: int) -> str:
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
    return f"{number:,}".replace(",", " ")


def one_of(names: Collection[Any]) -> str:
    """Names in code spans: a, b or c."""
    *others, last = [f"`{name}`" for name in names]
    return f"{', '.join(others)} or {last}" if others else last


def in_yaml(value: Any) -> str:
    """A value as a study file would have it, in a code span; none for None."""
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return f"`{text.strip().removesuffix('...').strip()}`"


def prose(*kinds: type) -> str:
    """What the docstrings of classes say before their arguments and errors, as Markdown in one paragraph."""
    texts = [inspect.cleandoc(kind.__doc__ or "") for kind in kinds]
    return markdown(" ".join(re.split(r"\n\n(?:Args|Raises):", text)[0] for text in texts))


def argument_meanings(kind: type) -> dict[str, str]:
    """What the docstring of a class says of each of its arguments, as Markdown."""
    doc = inspect.cleandoc(kind.__doc__ or "") + "\n\n"
    listed = doc.partition("\n\nArgs:\n")[2].partition("\n\n")[0]
    return {name: markdown(text) for name, text in re.findall(r"^    (\w+): (.*(?:\n     .*)*)", listed, re.MULTILINE)}


def markdown(text: str) -> str:
    """A docstring's text in one line of Markdown."""
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text.replace("``", "`"))
    return " ".join(text.split()).removesuffix(".")


def table(rows: Iterable[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> str:
    """A Markdown table."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def study_reference() -> str:
    """Every key of a study file, section by section, as it is written."""
    keys = list(options(Study, deep=False))
    chapters = {key.key: _chapter(key) for key in keys if key.sections}
    chapters["space"] = _space()
    rows = [(f"[`{key.key}`](#{key.key})", *key.row[1:]) if key.key in chapters else key.row for key in keys]
    rows.append(
        (
            "`profiles`",
            "mapping",
            "none",
            "changes by name, each from dotted keys to values; `--profile NAME` makes them",
        )
    )
    return "\n\n".join(
        [
            "## The study file",
            f"```yaml\n{EXAMPLES['']}\n```",
            table(rows),
            *(chapters[key.key] for key in keys if key.key in chapters),
        ]
    )


def _chapter(section: Option) -> str:
    parts = [f"## {section.key}", section.meaning + "."]
    if section.key in EXAMPLES:
        parts.append(f"```yaml\n{EXAMPLES[section.key]}\n```")
    parts.append(table(o.row for path, model in section.sections for o in options(model, path + ".")))
    return "\n\n".join(parts + ([_samplers()] if section.key == "search" else []))


def _samplers() -> str:
    names: dict[type[Sampler], list[str]] = {}
    for name, sampler in SAMPLERS.items():
        names.setdefault(sampler, []).append(name)
    parts = []
    for sampler, own in names.items():
        rows = [option.row for option in options(sampler, "search.options.")]
        also = f", also called {one_of(own[1:])}" if own[1:] else ""
        parts += [f"### Sampler `{own[0]}`{also}", prose(sampler) + ".", table(rows) if rows else "No options."]
    return "\n\n".join(parts)


def _space() -> str:
    """Keys of its entries, of which there are three kinds."""
    kinds = {"range": RANGE_KEYS, "choices": CHOICE_KEYS, "constant": CONSTANT_KEYS}
    rows = {key: (f"`space.<name>.{key}`", *row) for keys in kinds.values() for key, row in keys.items()}
    last = rows.pop("when")
    text = "Hyperparameters by name: those [of training](#hyperparameters-of-training) and those of the task's network."
    return "\n\n".join(["## space", text, f"```yaml\n{SPACE}\n```", table([*rows.values(), last])])
