"""The reference page: study files, then the hyperparameters of training and of the tasks that come with tunefleet."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from search_spaces.reference import argument_meanings, in_yaml, one_of, prose, study_reference, table
from trainables.layers.augment import Augment
from trainables.layers.networks import ACTIVATIONS, INITIALISATIONS
from trainables.recipe import NEEDS, RULES, Recipe
from trainables.task import Task
from trainables.tasks import TASKS
from trainables.tasks.images import AUGMENTATION

COMMAND = "tunefleet reference > search_spaces/REFERENCE.md"
HYPERPARAMETER = ("Hyperparameter", "Type and range", "Default", "Meaning")


def reference_page() -> str:
    """The whole page, in Markdown."""
    intro = (
        f"# Reference\n\n<!-- Written by: {COMMAND} -->\n\n"
        "Every key of a study file, as `tunefleet reference` prints it from the code. Dotted keys are nested in the file,"
        "\nand may be given as they are to `--set` and in profiles. A wrong key or value is refused, by name, before"
        "\nanything runs."
    )
    return "\n\n".join([intro, study_reference(), _training(), _tasks()]) + "\n"


def _training() -> str:
    meanings, rows = argument_meanings(Recipe), []
    for name, (_, rule) in RULES.items():
        other, values = NEEDS.get(name, ("", frozenset()))
        needs = f"; only with {other} {one_of(sorted(values))}" if other else ""
        default = in_yaml(getattr(Recipe, name))
        rows.append((f"`{name}`", rule.removeprefix("a "), default, meanings[name] + needs))
    intro = "Every task understands these, in `space` and `refit.params`."
    return "\n\n".join(["## Hyperparameters of training", intro, table(rows, HYPERPARAMETER)])


def _tasks() -> str:
    intro = (
        "Each has hyperparameters of its network, which may stand in `space` like those of training, and some have "
        "options.\nHyperparameters are listed with their defaults. "
        f"`activation` is {one_of(ACTIVATIONS)}; `initialisation` is {one_of(INITIALISATIONS)}."
    )
    parts = ["## Tasks", intro]
    bases: set[type[Task]] = set()
    for name, kind in TASKS.items():
        base: type[Task] = kind.__mro__[1]
        if base is not Task and base not in bases:
            bases.add(base)
            names = [other for other, one in TASKS.items() if issubclass(one, base)]
            parts.append(_task(f"{', '.join(f'`{n}`' for n in names)} in common", base, {}))
        parts.append(_task(f"`{name}`", kind, base.defaults))
    return "\n\n".join([*parts, _augmentation()])


def _task(title: str, kind: type[Task], inherited: Mapping[str, Any]) -> str:
    """A task's docstring, its options and the hyperparameters that it does not inherit."""
    parts = [f"### {title}", prose(kind) + "."]
    meanings = argument_meanings(kind)
    arguments = inspect.signature(kind).parameters.values()
    if arguments:
        rows = [(f"`task_options.{p.name}`", in_yaml(p.default), meanings[p.name]) for p in arguments]
        parts.append(table(rows, ("Option", "Default", "Meaning")))
    own = kind.defaults.keys() - inherited.keys()
    listed = [f"`{n}: {in_yaml(v).strip('`')}`" for n, v in kind.defaults.items() if n in own - AUGMENTATION.keys()]
    words = ["those in common"] * bool(inherited) + [", ".join(listed)] * bool(listed)
    words += ["those of [augmentation](#augmentation)"] * (AUGMENTATION.keys() <= own)
    return "\n\n".join([*parts, f"Hyperparameters: {', and '.join(words)}."])


def _augmentation() -> str:
    rows = []
    for name, meaning in argument_meanings(Augment).items():
        limit, whole = Augment.LIMITS[name], isinstance(AUGMENTATION[name], int)
        range_ = f"from 0 to {limit:g}" if limit < math.inf else "of at least 0"
        rows.append((f"`{name}`", f"{'whole ' * whole}number {range_}", in_yaml(AUGMENTATION[name]), meaning))
    return "\n\n".join(["### Augmentation", prose(Augment) + ".", table(rows, HYPERPARAMETER)])
