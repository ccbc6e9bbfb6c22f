"""The reference page in Markdown, generated from the schemas that check a study, so that it cannot be out of date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.parameter import Choices, Constant, Entry, Range
from search_spaces.study.fields import Section
from search_spaces.study.messages import Schema, branches, in_words, one_of
from search_spaces.study.study import Study
from trainables.layers.augment import Augmentation
from trainables.layers.networks import ACTIVATIONS, INITIALISATIONS
from trainables.options import options_of
from trainables.recipe import Recipe, needs
from trainables.task import Task
from trainables.tasks import TASKS
from trainables.tasks.images import AUGMENTATION

COMMAND = "tunefleet reference > docs/reference.md"
COLUMNS = ("Key", "Type and range", "Default", "Meaning")
EXAMPLES = {
    "": "task: digits\nspace:\n  width: [16, 32, 64]\n  lr: {low: 1e-4, high: 1e-1, log: true}\n"
    "search: {sampler: tpe, trials: 40}\nprofiles:\n  quick: {search.trials: 8, task_options.epochs: 5}",
    "task_options": "task_options: {folds: 5, epochs: 150, subset: 80}",
    "space": "space:\n"
    "  lr: {low: 1e-4, high: 1e-1, log: true}                        # a range\n"
    "  width: {low: 16, high: 128, step: 4}                          # whole numbers: 16, 20, 24, ...\n"
    "  optimizer: [adam, sgd]                                        # choices, short for {choices: [adam, sgd]}\n"
    "  momentum: {low: 0.8, high: 0.99, when: {optimizer: sgd}}      # only beside sgd\n"
    "  schedule: {choices: [cosine, constant], when: {width: [16, 20]}}\n"
    "  batch_size: 64                                                # a constant, short for {value: 64}",
    "search": "search: {sampler: tpe, trials: 100, seed: 0, options: {n_startup_trials: 20}, enqueue: [{lr: 0.001}]}",
    "early_stopping": "early_stopping:\n  asha: {grace_period: 10, reduction_factor: 3}\n  patience: 30",
    "resources": "resources: {cpu: 2, gpu: 0.5}",
    "refit": "refit: {epochs: 150, seeds: 5, validation: 0.1, params: {lr: 0.01}}",
}
INTRO = f"""# Reference

<!-- Written by: {COMMAND} -->

Every key of a study file, as `tunefleet reference` prints it from the code. A dotted key such as `search.trials` is
nested in the file; `--set` and profiles take it as it is. A wrong key or value is refused, by name, before anything
runs."""
SPACE = """Each entry is a range, a list of choices or one value. Its name is a hyperparameter [of
training](#hyperparameters-of-training) or of the [task's](#tasks) network."""
TASK_INTRO = f"""A task has hyperparameters of its network, which stand in `space` beside those of training and are listed here
with their defaults. Some tasks have options, which stand in `task_options`. `activation` is {one_of(ACTIVATIONS)};
`initialisation` is {one_of(INITIALISATIONS)}."""


@dataclass(frozen=True)
class Option:
    """One key of a study file.

    Args:
        key: dotted path; ``[]`` stands for a place in a list.
        schema: of its value.
        default: in YAML's spelling.
        meaning: in a sentence or less, without a full stop.
        sections: schemas of the sections that it may hold, each with the path of their keys.
    """

    key: str
    schema: Schema
    default: str
    meaning: str
    sections: tuple[tuple[str, Schema], ...]

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The cells of its row."""
        return f"`{self.key}`", in_words(self.schema), self.default, self.meaning


def options(schema: Schema, prefix: str = "", root: Schema | None = None) -> Iterator[Option]:
    """All keys of a section, each followed by those of the sections below it.

    Args:
        schema: of the section.
        prefix: what leads to its keys.
        root: the schema with the definitions that ``schema`` refers to; itself by default.
    """
    root = root or schema
    for name, field in schema["properties"].items():
        key = prefix + name
        sections = tuple(_sections(key, field, root))
        if name in schema.get("required", ()):
            default = "required"
        elif field.get("default", {}) is not None and any(path == key for path, _ in sections):
            default = "its defaults"
        else:  # pydantic leaves out a default that is drawn anew for each study
            default = in_yaml(field["default"]) if "default" in field else "drawn at random"
        text = field if "description" in field else sections[0][1] if sections else {}
        yield Option(key, field, default, prose(text, short=True), sections)
        for path, section in sections:
            yield from options(section, path + ".", root)


def _sections(path: str, schema: Schema, root: Schema) -> Iterator[tuple[str, Schema]]:
    """The sections that a schema allows, with the paths that lead to them."""
    for one in branches(schema, root):
        if "properties" in one:
            yield path, one
        elif one.get("type") == "array":
            yield from _sections(path + "[]", one.get("items", {}), root)


def in_yaml(value: Any) -> str:
    """A value as a study file would have it, in a code span; none for None."""
    if value is None:
        return "none"
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return f"`{text.strip().removesuffix('...').strip()}`"


def prose(schema: Schema, short: bool = False) -> str:
    """A schema's description in one line of Markdown; ``short`` for its first paragraph, without the full stop."""
    text = schema.get("description", "").replace("``", "`")
    return " ".join(text.partition("\n\n")[0].split()).removesuffix(".") if short else " ".join(text.split())


def table(rows: Iterable[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> str:
    """A Markdown table."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def hyperparameters(section: type[Section]) -> str:
    """A table of hyperparameters."""
    rows = []
    for option in options(section.model_json_schema()):
        other, values = needs(option.key) or ("", ())
        only = f"; only with `{other}` {one_of(sorted(values))}" if other else ""
        rows.append((*option.row[:3], option.meaning + only))
    return table(rows, ("Hyperparameter", *COLUMNS[1:]))


def reference_page() -> str:
    """The whole page."""
    every = list(options(Study.model_json_schema()))
    top = [option for option in every if "." not in option.key]
    chapters = [option for option in top if option.sections or option.key == "space"]
    rows = [(f"[`{one.key}`](#{one.key})", *one.row[1:]) if one in chapters else one.row for one in top]
    profiles = ("`profiles`", "mapping", "none", "named changes, each from dotted keys to values; see `--profile`")
    parts = [INTRO, "## The study file", _example(""), table([*rows, profiles])]
    for one in chapters:
        parts += [f"## {one.key}", *(_space() if one.key == "space" else _chapter(one, every))]
    parts += ["## Hyperparameters of training", "Every task understands these, in `space` and in `refit.params`."]
    parts += [hyperparameters(Recipe), "## Tasks", TASK_INTRO, *_tasks()]
    parts += ["### Augmentation", prose(Augmentation.model_json_schema()), hyperparameters(Augmentation)]
    return "\n\n".join(parts) + "\n"


def _example(key: str) -> str:
    return f"```yaml\n{EXAMPLES[key]}\n```"


def _chapter(section: Option, every: Iterable[Option]) -> Iterator[str]:
    yield prose(section.sections[0][1])
    if section.key in EXAMPLES:
        yield _example(section.key)
    yield table(option.row for option in every if option.key.startswith(section.key + "."))
    if section.key == "search":
        yield from _samplers()


def _space() -> Iterator[str]:
    yield SPACE
    yield _example("space")
    for kind in (Range, Choices, Constant, Entry):
        schema = kind.model_json_schema()
        yield prose(schema)
        rows = {option.key: option.row for option in options(schema, "space.<name>.")}
        yield table(rows.values() if kind is Entry else [row for key, row in rows.items() if not key.endswith(".when")])


def _samplers() -> Iterator[str]:
    for sampler in dict.fromkeys(SAMPLERS.values()):
        first, *others = [name for name, one in SAMPLERS.items() if one is sampler]
        schema = sampler.model_json_schema()
        rows = [option.row for option in options(schema, "search.options.")]
        yield f"### Sampler `{first}`" + (f", also called {one_of(others)}" if others else "")
        yield prose(schema)
        yield table(rows) if rows else "No options."


def _tasks() -> Iterator[str]:
    """Every task; before the first task of a family, what the family has in common."""
    shown: set[Any] = {Task}
    for name, kind in TASKS.items():
        family: Any = kind.__mro__[1]
        if family not in shown:
            names = [f"`{other}`" for other, one in TASKS.items() if issubclass(one, family)]
            yield from _task(f"{', '.join(names)} in common", family, Task)
        shown.add(family)
        yield from _task(f"`{name}`", kind, family)


def _task(title: str, kind: Any, family: Any) -> Iterator[str]:
    """A task's description, its options and the hyperparameters that are not the family's."""
    schema = options_of(kind).model_json_schema()
    yield f"### {title}"
    yield prose(schema)
    rows = [option.row for option in options(schema, "task_options.")]
    if rows:
        yield table(rows)
    own = {key: value for key, value in kind.defaults.items() if key not in family.defaults}
    listed = ", ".join(f"`{key}: {in_yaml(own[key]).strip('`')}`" for key in own if key not in AUGMENTATION)
    words = ["those in common"] * bool(family.defaults) + [listed] * bool(listed)
    words += ["those of [augmentation](#augmentation)"] * (AUGMENTATION.keys() <= own.keys())
    yield f"Hyperparameters: {', and '.join(words)}."
