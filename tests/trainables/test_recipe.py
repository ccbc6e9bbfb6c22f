"""The rules of training's own hyperparameters."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.errors import StudyError, TaskError
from search_spaces.space import Space
from tests.trainables.builders import Curve
from trainables.recipe import RULES, Recipe, check_space, network_params

WRONG = [
    ("optimizer", "adamm", "one of sgd, adam"),
    ("lr", 0, "a number above 0"),
    ("lr", True, "a number above 0"),
    ("lr", float("nan"), "a number above 0"),
    ("batch_size", 0, "a whole number of at least 1, or full"),
    ("batch_size", 2.5, "a whole number of at least 1, or full"),
    ("weight_decay", -1e-9, "a number of at least 0"),
    ("l2", "much", "a number of at least 0"),
    ("momentum", 1.0, "a number from 0 up to but not including 1"),
    ("nesterov", 1, "true or false"),
    ("schedule", "step", "one of constant, exponential"),
    ("gamma", 1.1, "a number between 0 and 1"),
    ("factor", 1.0, "a number between 0 and 1, both excluded"),
    ("plateau_patience", -1, "a whole number of at least 0"),
    ("cooldown", 0.5, "a whole number of at least 0"),
]


@pytest.mark.parametrize(("name", "value", "rule"), WRONG)
def test_a_broken_rule_names_parameter_rule_and_value(name: str, value: Any, rule: str) -> None:
    with pytest.raises(TaskError, match=f"^{name}: must be {rule}.*, got {value!r}$"):
        Recipe.of({name: value})


def test_every_field_has_a_rule_that_its_default_obeys() -> None:
    assert set(RULES) == set(vars(Recipe()))
    assert Recipe.of(vars(Recipe())) == Recipe()
    assert Recipe.of({"lr": 1, "width": 3, "batch_size": "full"}) == Recipe(lr=1, batch_size="full")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"lr": {"low": 0.0, "high": 1.0}}, "space.lr: must be a number above 0, got 0.0"),
        ({"momentum": [0.5, 1.5]}, "space.momentum: must be a number from 0 up to but not including 1, got 1.5"),
        ({"batch_size": {"low": 1, "high": 8, "step": 0.5}}, "space.batch_size: must be a whole number"),
        ({"learning_rate": 1}, "space: unknown parameter 'learning_rate'; valid: activation, batch_size"),
        ({"momentun": 0.5}, "space: unknown parameter 'momentun'; did you mean 'momentum'?"),
    ],
)
def test_a_space_is_checked_against_recipe_and_task(space: dict[str, Any], message: str) -> None:
    with pytest.raises((StudyError, TaskError)) as error:
        check_space(Space.parse(space), Curve())
    assert str(error.value).startswith(message)


def test_a_good_space_passes() -> None:
    check_space(
        Space.parse({"lr": {"low": 1e-4, "high": 1, "log": True}, "width": [3, 4], "batch_size": ["full", 3]}), Curve()
    )


def test_the_network_gets_its_defaults_and_its_own_parameters_only() -> None:
    assert network_params(Curve(), {"width": 9, "lr": 1}) == {"activation": "tanh", "dropout": 0.0, "width": 9}
