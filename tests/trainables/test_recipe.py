"""The rules of training's own hyperparameters."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.errors import StudyError, TaskError
from search_spaces.space import Space
from tests.trainables.builders import Curve
from trainables.recipe import Recipe, check_space, network_params

WRONG = [
    ("optimizer", "adamm", "unknown optimizer 'adamm'; did you mean 'adam'? (valid: adadelta, adam, "),
    ("optimizer", 3, "must be sgd, adam, adamw, radam, rmsprop or adadelta, got 3"),
    ("lr", 0, "must be a number above 0, got 0"),
    ("lr", True, "must be a number above 0, got True"),
    ("lr", float("nan"), "must be a number above 0, got nan"),
    ("lr", float("inf"), "must be a number above 0, got inf"),
    ("batch_size", 0, "must be a whole number of at least 1, or full, got 0"),
    ("batch_size", 2.5, "must be a whole number of at least 1, or full, got 2.5"),
    ("batch_size", True, "must be a whole number of at least 1, or full, got True"),
    ("batch_size", "half", "must be a whole number of at least 1, or full, got 'half'"),
    ("weight_decay", -1e-9, "must be a number of at least 0, got -1e-09"),
    ("l2", "much", "must be a number of at least 0, got 'much'"),
    ("momentum", 1.0, "must be a number of at least 0, below 1, got 1.0"),
    ("nesterov", 1, "must be true or false, got 1"),
    ("schedule", "step", "unknown schedule 'step'; valid: constant, cosine, exponential, plateau"),
    ("gamma", 1.1, "must be a number from 0 to 1, got 1.1"),
    ("factor", 1.0, "must be a number above 0, below 1, got 1.0"),
    ("plateau_patience", -1, "must be a whole number of at least 0, got -1"),
    ("cooldown", 0.5, "must be a whole number of at least 0, got 0.5"),
]


@pytest.mark.parametrize(("name", "value", "rule"), WRONG)
def test_a_broken_rule_names_parameter_rule_and_value(name: str, value: Any, rule: str) -> None:
    with pytest.raises(TaskError) as error:
        Recipe.of({name: value})
    assert str(error.value).startswith(f"{name}: {rule}")
    assert "\n" not in str(error.value)


def test_a_recipe_is_picked_out_of_a_configuration() -> None:
    assert Recipe.of(vars(Recipe())) == Recipe()
    assert Recipe.of({"lr": 1, "width": 3, "batch_size": "full"}) == Recipe(lr=1, batch_size="full")


def test_a_recipe_never_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"lr": {"low": 0.0, "high": 1.0}}, "space.lr: must be a number above 0, got 0.0"),
        ({"momentum": [0.5, 1.5]}, "space.momentum: must be a number of at least 0, below 1, got 1.5"),
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
