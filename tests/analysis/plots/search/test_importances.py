"""The numbers behind the importances of hyperparameters."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.plots.search import importances
from analysis.plots.style import Drawn, Missing
from search_spaces.trials.objectives import Objective
from tests.analysis.plots.search.searches import LR, random_trials, search, trial


def test_importances_find_the_parameter_that_matters() -> None:
    found = importances.compute(search(random_trials(60)).study, Objective())
    assert isinstance(found, importances.Importances)
    assert found.names[0] == "lr"
    assert set(found.names) == {"lr", "kind", "momentum"}
    assert sum(found.shares) == pytest.approx(1)
    assert found == importances.compute(search(random_trials(60)).study, Objective())


def test_importances_of_large_values_are_those_of_small_ones_with_the_other_sign() -> None:
    trials = random_trials(60)
    turned = [trial(-t.values[0], params=t.params, distributions=t.distributions) for t in trials]
    found = importances.compute(search(turned).study, Objective("accuracy", "max"))
    assert found == importances.compute(search(trials).study, Objective())


def test_of_several_objectives_the_first_counts() -> None:
    trials = random_trials(60)
    study = optuna.create_study(directions=["minimize", "maximize"])
    for t in trials:
        study.add_trial(create_trial(values=[t.values[0], 1.0], params=t.params, distributions=t.distributions))
    assert importances.compute(study, Objective()) == importances.compute(search(trials).study, Objective())


def test_importances_caption_counts_the_pruned() -> None:
    pruned = [trial(9.0, TrialState.PRUNED, params={"lr": 0.1}, distributions={"lr": LR})] * 2
    for count, told in (
        (0, "PED-ANOVA)."),
        (1, "; 1 pruned trial is left out."),
        (2, "; 2 pruned trials are left out."),
    ):
        drawn = importances.plot(search([*random_trials(30), *pruned[:count]]))
        assert isinstance(drawn, Drawn)
        assert drawn.caption.endswith(told)


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([trial(None, TrialState.FAIL)] * 3, "there are 0"),
        ([trial(1.0, params={"lr": 0.1}, distributions={"lr": LR})], "there are 1"),
        ([trial(math.inf), trial(1.0)], "there are 1"),
        (
            [trial(1.0, params={"w": 8}, distributions={"w": IntDistribution(8, 8)})] * 3,
            "no hyperparameter was searched",
        ),
        ([trial(1.0, params={"lr": x}, distributions={"lr": LR}) for x in (0.1, 0.01, 0.001)], "nothing sets the best"),
    ],
)
def test_importances_say_why_there_are_none(trials: list[FrozenTrial], reason: str) -> None:
    found = importances.plot(search(trials))
    assert isinstance(found, Missing)
    assert reason in found.reason
