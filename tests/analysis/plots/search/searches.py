"""Made-up trials of a search, as Optuna keeps them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.plots.search.search import Search
from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import Outcome

LR = FloatDistribution(1e-4, 1e-1, log=True)
KIND = CategoricalDistribution(("adam", "sgd"))


def trial(
    value: float | None,
    state: TrialState = TrialState.COMPLETE,
    params: Mapping[str, Any] | None = None,
    distributions: Mapping[str, BaseDistribution] | None = None,
    curve: Mapping[int, float] | None = None,
    **attributes: int | str,
) -> FrozenTrial:
    return create_trial(
        value=value,
        state=state,
        params=dict(params or {}),
        distributions=dict(distributions or {}),
        intermediate_values=dict(curve or {}),
        user_attrs=attributes,
    )


def search(trials: list[FrozenTrial], best: int | None = None, mode: Mode = "min") -> Search:
    objective = Objective("loss", mode)
    study = optuna.create_study(direction=objective.direction)
    study.add_trials(trials)
    added = study.get_trials()
    return Search(study, added, [Outcome.of(t) for t in added], objective, best)


def random_trials(count: int) -> list[FrozenTrial]:
    """Values that depend on lr alone; momentum only exists for sgd, width never changes."""
    rng = np.random.default_rng(0)
    width, momentum = IntDistribution(8, 8), FloatDistribution(0, 1)
    trials = []
    for _ in range(count):
        params: dict[str, Any] = {"lr": 10 ** rng.uniform(-4, -1), "kind": KIND.choices[rng.integers(2)], "width": 8}
        distributions: dict[str, BaseDistribution] = {"lr": LR, "kind": KIND, "width": width}
        if params["kind"] == "sgd":
            params["momentum"], distributions["momentum"] = rng.uniform(), momentum
        trials.append(trial((math.log10(params["lr"]) + 2) ** 2, params=params, distributions=distributions))
    return trials


def population() -> list[FrozenTrial]:
    """Trial 0 kept its hyperparameters; trial 1 went on from a copy of it after epoch 2, changed."""
    distributions: dict[str, BaseDistribution] = {"lr": LR, "kind": KIND}
    first, changed = {"lr": 0.01, "kind": "adam"}, {"lr": 0.02, "kind": "adam"}
    followed = json.dumps([(0, first), (2, changed)])
    return [
        trial(0.5, params=first, distributions=distributions, best_epoch=4),
        trial(0.3, params={"lr": 0.1, "kind": "sgd"}, distributions=distributions, best_epoch=5, schedule=followed),
    ]
