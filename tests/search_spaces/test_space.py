"""Spaces: what they mean, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from search_spaces.errors import StudyError
from search_spaces.space import Space

CONDITIONAL = {
    "momentum": {"low": 0.8, "high": 0.9, "step": 0.05, "when": {"optimizer": "sgd"}},
    "nesterov": {"choices": [True, False], "when": {"momentum": [0.85, 0.9]}},
    "optimizer": ["adam", "sgd"],
    "size": 3,
}


@pytest.mark.parametrize(
    ("spec", "distribution"),
    [
        ({"low": 1, "high": 5}, IntDistribution(1, 5)),
        ({"low": 1, "high": 9, "step": 4}, IntDistribution(1, 9, step=4)),
        ({"low": 1, "high": 64, "log": True}, IntDistribution(1, 64, log=True)),
        ({"low": 1.0, "high": 5}, FloatDistribution(1, 5)),
        ({"low": 1, "high": 2, "step": 0.5}, FloatDistribution(1, 2, step=0.5)),
        ({"low": 1e-4, "high": 1, "log": True}, FloatDistribution(1e-4, 1, log=True)),
        (["a", None, 1, 2.5, True], None),
        ([1, 2], CategoricalDistribution([1, 2])),
        ({"choices": [1, 2]}, CategoricalDistribution([1, 2])),
        (64, CategoricalDistribution([64])),
        (None, CategoricalDistribution([None])),
        ({"value": "x"}, CategoricalDistribution(["x"])),
    ],
)
def test_every_kind_of_parameter(spec: Any, distribution: Any) -> None:
    if distribution is None:
        with pytest.raises(StudyError, match="each choice may stand only once, got True twice"):
            Space.parse({"p": spec})
        return
    assert Space.parse({"p": spec}).by_name["p"].distribution == distribution


WRONG = [
    ([1], "space: must map parameter names to values, got [1]"),
    ({3: 1}, "space: a parameter's name must be an identifier, got 3"),
    ({"a-b": 1}, "space: a parameter's name must be an identifier, got 'a-b'"),
    ({"p": []}, "space.p.choices: must be a non-empty list of numbers, texts, truth values or null, got []"),
    ({"p": {"choices": 3}}, "space.p.choices: must be a non-empty list of numbers, texts, truth values or null, got 3"),
    ({"p": [[1]]}, "space.p.choices[0]: must be a number, text, truth value or null, got [1]"),
    ({"p": [1.0, float("inf")]}, "space.p.choices[1]: must be a number, text, truth value or null, got inf"),
    ({"p": [1, 2, 1]}, "space.p.choices: each choice may stand only once, got 1 twice"),
    ({"p": {"low": 1}}, "space.p.high: this key is required, and missing"),
    ({"p": {}}, "space.p.low: this key is required, and missing"),
    ({"p": {"low": "a", "high": 2}}, "space.p.low: must be a number, got 'a'"),
    ({"p": {"low": 1, "high": True}}, "space.p.high: must be a number, got True"),
    ({"p": {"low": 1, "high": float("nan")}}, "space.p.high: must be a number, got nan"),
    ({"p": {"low": 3, "high": 2}}, "space.p: low must not exceed high, got low=3 and high=2"),
    ({"p": {"low": 0, "high": 2, "log": True}}, "space.p: a log range must lie above 0, got low=0"),
    ({"p": {"low": 1, "high": 2, "log": "yes"}}, "space.p.log: must be true or false, got 'yes'"),
    ({"p": {"low": 1, "high": 3, "step": 1, "log": True}}, "space.p: log and step exclude each other, got step=1 with log=true"),
    ({"p": {"low": 1, "high": 3, "step": 0}}, "space.p.step: must be a number above 0, got 0"),
    ({"p": {"low": 1, "high": 4, "step": 2}}, "space.p: high must be low plus a multiple of step, got low=1, high=4, step=2"),
    ({"p": {"low": 1, "hihg": 4}}, "space.p: unknown key 'hihg'; did you mean 'high'? (valid: high, log, low, step, when)"),
    ({"p": {"choices": [1], "low": 4}}, "space.p: unknown key 'low'; valid: choices, when"),
    ({"p": {"value": [1]}}, "space.p.value: must be a number, text, truth value or null, got [1]"),
    ({"p": {"value": 1, "when": 3}}, "space.p.when: must map another parameter to its value(s), got 3"),
    ({"p": {"value": 1, "when": {}}}, "space.p.when: must map another parameter to its value(s), got {}"),
    ({"p": {"value": 1, "when": {"q": []}}, "q": [1]}, "space.p.when: must map another parameter to its value(s), got {'q': []}"),
    ({"p": {"value": 1, "when": {"q": 1}}}, "space.p.when: unknown parameter of this space 'q'; valid: none"),
    ({"p": {"value": 1, "when": {"q": 3}}, "q": [1, 2]}, "space.p.when.q: must be one of 1, 2, got 3"),
    ({"p": {"value": 1, "when": {"q": 3}}, "q": {"low": 0, "high": 2}}, "space.p.when.q: must be between 0 and 2, got 3"),
    ({"p": {"value": 1, "when": {"q": 1}}, "q": {"value": 1, "when": {"p": 1}}},
     "space: the conditions of p, q depend on each other in a circle"),
    ({"p": {"value": 1, "when": {"p": 1}}}, "space: the conditions of p depend on each other in a circle"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "message"), WRONG, ids=[m for _, m in WRONG])
def test_errors_name_parameter_rule_and_value(raw: Any, message: str) -> None:
    with pytest.raises(StudyError) as error:
        Space.parse(raw)
    assert str(error.value) == message


def test_parents_come_before_their_conditions() -> None:
    assert [p.name for p in Space.parse(CONDITIONAL).parameters] == ["optimizer", "size", "momentum", "nesterov"]


@pytest.mark.parametrize("number", range(20))
def test_suggested_configurations_respect_the_conditions(number: int) -> None:
    space = Space.parse(CONDITIONAL)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(number)).ask()
    params = space.suggest(trial)
    assert ("momentum" in params) == (params["optimizer"] == "sgd")
    assert ("nesterov" in params) == (params.get("momentum", 0) > 0.82)
    assert params["size"] == 3
    assert trial.params == params


def test_a_grid_has_every_configuration_once() -> None:
    grid = list(Space.parse(CONDITIONAL).grid())
    assert grid[0] == {"optimizer": "adam", "size": 3}
    assert len(grid) == Space.parse(CONDITIONAL).grid_size() == 1 + 1 + 2 * 2
    assert len({tuple(sorted(p.items())) for p in grid}) == len(grid)
    assert list(Space.parse(CONDITIONAL).grid()) == grid


@pytest.mark.parametrize(
    ("low", "high", "step", "size"), [(0.1, 0.3, 0.1, 3), (0.0, 1.0, 0.1, 11), (0.7, 2.8, 0.7, 4), (-0.3, 0.3, 0.1, 7)]
)
def test_points_of_a_grid_lie_on_the_range(low: float, high: float, step: float, size: int) -> None:
    space = Space.parse({"p": {"low": low, "high": high, "step": step}, "q": {"low": 1, "high": 7, "step": 3}})
    points = list(space.grid())
    assert len(points) == size * 3
    for params in points:
        create_trial(params=params, distributions={p.name: p.distribution for p in space.parameters}, value=0.0)


def test_a_continuous_range_has_no_grid() -> None:
    with pytest.raises(StudyError, match=r"^space\.p: a grid needs a list of choices or a range with a step"):
        list(Space.parse({"p": {"low": 0.0, "high": 1.0}}).grid())


def test_constant_spaces() -> None:
    assert Space.parse({}).constant
    assert list(Space.parse({"a": 1, "b": {"low": 2, "high": 2}}).grid()) == [{"a": 1, "b": 2}]
    assert not Space.parse({"a": [1, 2]}).constant
