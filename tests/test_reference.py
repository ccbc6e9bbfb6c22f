"""The reference page tells the truth: it is what the code generates, and the ranges that it names are enforced."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from cluster.cli import reference
from cluster.reference import COMMAND, EXAMPLES, Option, in_yaml, options, reference_page
from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.errors import StudyError
from search_spaces.parameter import Choices, Constant, Range
from search_spaces.study.fields import Section, Share
from search_spaces.study.messages import in_words
from search_spaces.study.study import Study
from search_spaces.study.yaml_file import parse_yaml
from trainables.layers.augment import Augmentation
from trainables.options import options_of
from trainables.recipe import Recipe, check_space
from trainables.tasks import TASKS, make_task

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
VALID: dict[str, Any] = {
    "task": "digits",
    "space": {"width": [4, 8, 16], "lr": [0.001, 0.01]},
    "search": {"trials": 3, "seed": 0},
}
OPTIONS: dict[str, tuple[str, Option]] = {
    option.key: ("random", option) for option in options(Study.model_json_schema())
}
OPTIONS |= {
    f"{name}: {option.key}": (name, option)
    for name, sampler in SAMPLERS.items()
    for option in options(sampler.model_json_schema(), "search.options.")
}


class Inner(Section):
    """What a section may hold."""

    weight: Share = Field(default=0.5, description="how much it counts")


class Outer(Section):
    """A section of shapes that may come."""

    several: list[Inner] = Field(default=[], description="any number")
    other: Inner | None = None
    free: dict[str, Any] | Literal["none"] = Field(default="none", description="whatever")


ENDS = {"minimum": -1, "exclusiveMinimum": 0, "maximum": 1, "exclusiveMaximum": 0}
"""Where the nearest number lies that a bound forbids."""


def outside(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Values just outside of what a schema allows."""
    for end, side in ENDS.items():
        if end in schema:
            bound = schema[end]
            yield bound + side if schema["type"] == "integer" else math.nextafter(bound, bound + side)
    if "minLength" in schema:
        yield ""
    if "pattern" in schema:
        yield from ("a/b", "a b", "")
    if "enum" in schema or "const" in schema:
        yield "nonsense"


OUTSIDE = [
    (where, value)
    for where, (_, o) in OPTIONS.items()
    for schema in o.schema.get("anyOf", [o.schema])
    for value in outside(schema)
]


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {key for key in base.keys() & changes if isinstance(base[key], dict) and isinstance(changes[key], dict)}
    return {**base, **changes, **{key: merged(base[key], changes[key]) for key in both}}


def refusal(sampler: str, key: str, value: Any) -> str:
    """What is said of a study that is valid but for this key."""
    for part in reversed(key.split(".")):
        value = {part[:-2]: [value]} if part.endswith("[]") else {part: value}
    with pytest.raises(StudyError) as error:
        Study(**merged(merged(VALID, {"search": {"sampler": sampler}}), value))
    return str(error.value)


def test_the_page_is_what_the_code_generates() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), f"write it again: {COMMAND}"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    reference()
    assert capsys.readouterr().out == reference_page()


def test_sections_in_lists_and_optional_ones_are_walked() -> None:
    assert [option.row for option in options(Outer.model_json_schema(), "outer.")] == [
        ("`outer.several`", "list of sections", "`[]`", "any number"),
        ("`outer.several[].weight`", "number from 0 to 1", "`0.5`", "how much it counts"),
        ("`outer.other`", "section", "none", "What a section may hold"),
        ("`outer.other.weight`", "number from 0 to 1", "`0.5`", "how much it counts"),
        ("`outer.free`", "mapping, or `none`", "`none`", "whatever"),
    ]


def test_a_study_is_valid_but_for_what_the_tests_change() -> None:
    for sampler in SAMPLERS:
        Study(**merged(VALID, {"search": {"sampler": sampler}}))


@pytest.mark.parametrize("where", OPTIONS)
def test_every_option_is_described(where: str) -> None:
    option = OPTIONS[where][1]
    assert option.meaning and not option.meaning.endswith("."), f"{where}: needs a Field(description=...)"
    assert all(option.row)


@pytest.mark.parametrize("model", [Recipe, Augmentation, Range, Choices, Constant, *map(options_of, TASKS.values())])
def test_hyperparameters_entries_and_options_of_tasks_are_described(model: type[Section]) -> None:
    schema = model.model_json_schema()
    assert schema["description"]
    assert all(option.meaning and not option.meaning.endswith(".") for option in options(schema))


@pytest.mark.parametrize(("where", "value"), OUTSIDE)
def test_what_is_just_out_of_range_is_refused_by_name(where: str, value: Any) -> None:
    sampler, option = OPTIONS[where]
    message = refusal(sampler, option.key, value)
    assert message.startswith(option.key.replace("[]", "[0]") + ": ") and "\n" not in message
    assert str(value) in message


@pytest.mark.parametrize("where", OPTIONS)
def test_another_type_is_refused_by_name(where: str) -> None:
    sampler, option = OPTIONS[where]
    key = re.escape(option.key.replace("[]", "[0]"))
    assert re.match(rf"{key}(\[0\])?: .*got ", refusal(sampler, option.key, [None]))


@pytest.mark.parametrize("where", [w for w, (_, o) in OPTIONS.items() if o.sections and o.key != "task_options"])
def test_an_unknown_key_is_refused_by_the_name_of_its_section(where: str) -> None:
    sampler, option = OPTIONS[where]
    for path, _ in option.sections:
        assert refusal(sampler, f"{path}.nonsense", 1).startswith(f"{path}: unknown key 'nonsense'")


def test_ranges_in_words() -> None:
    assert in_words({"type": "integer", "minimum": 0, "exclusiveMaximum": 100_000}) == "whole number from 0 to 99 999"
    assert in_words({"type": "integer", "exclusiveMinimum": 0}) == "whole number of at least 1"
    assert in_words({"type": "number", "exclusiveMinimum": 0, "maximum": 1}) == "number above 0, at most 1"
    assert in_words({"type": "number", "exclusiveMaximum": 0.5}) == "number below 0.5"
    assert in_words({"type": "number", "maximum": 1}) == "number of at most 1"
    assert in_words({"type": "array", "items": {"type": "string"}}) == "list of texts"
    assert in_words({"enum": ["a", "b", "c"]}) == "`a`, `b` or `c`"


def test_defaults_in_yaml() -> None:
    values = {None: "none", True: "`true`", 0.5: "`0.5`", "auto": "`auto`", "true": "`'true'`", (): "`[]`"}
    assert {value: in_yaml(list(value) if value == () else value) for value in values} == values


@pytest.mark.parametrize("text", EXAMPLES.values())
def test_the_examples_are_valid(text: str, tmp_path: Path) -> None:
    example = parse_yaml(text, "example")
    own = example.pop("profiles", {})
    study = Study(**merged(VALID, {"task_options": {"epochs": 50}, **example}))
    check_space(study.search_space, make_task("digits", {}))
    (tmp_path / "s.yaml").write_text(text)
    for profile in own:
        assert Study.load(tmp_path / "s.yaml", profile=profile).name == f"s-{profile}"
