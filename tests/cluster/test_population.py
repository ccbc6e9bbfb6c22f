"""Population-based training through Ray: in one cohort, and by Ray Tune's own schedulers with checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from analysis.result import StudyResult
from cluster.runner import run
from search_spaces.study.study import Study

POPULATION, EPOCHS = 4, 4
STUDY: dict[str, Any] = {
    "task": "digits",
    "space": {
        "optimizer": "sgd",
        "width": 32,
        "batch_size": 16,
        "lr": {"low": 1e-2, "high": 0.5, "log": True},
        "dropout": {"low": 0.0, "high": 0.2},
    },
    "refit": {"subset": 300},
}


def study(trials: int = POPULATION, epochs: int = EPOCHS, **pbt: Any) -> Study:
    """Small networks, a round after every epoch."""
    options = {"epochs": epochs, "subset": 300}
    search = {"seed": 1, "trials": trials, "pbt": {"population": POPULATION, **pbt}}
    return Study(**STUDY, task_options=options, search=search)


def check(result: StudyResult, trials: int = POPULATION) -> list[list[Any]]:
    """What holds however a population was trained; returns the schedules that there are."""
    assert [t.state for t in result.frozen_trials] == [TrialState.COMPLETE] * trials
    last = result.study.task_options.epochs
    assert all(t.user_attrs["epochs"] == len(t.intermediate_values) == last for t in result.frozen_trials)
    assert len({t.value for t in result.frozen_trials}) == trials  # a copy goes its own way
    schedules = [json.loads(t.user_attrs["schedule"]) for t in result.frozen_trials if "schedule" in t.user_attrs]
    for schedule in schedules:
        epochs = [epoch for epoch, _ in schedule]
        assert epochs == sorted(set(epochs)) and epochs[0] == 0 and epochs[-1] < last
        for _, params in schedule:
            result.study.search_space.check(params, "schedule")
    assert result.best.value < 1.5
    assert result.refit.params == result.best.params
    return schedules


@pytest.mark.slow
def test_two_populations_in_stacks_of_their_own(local_ray: None, tmp_path: Path) -> None:
    result = run(study(trials=2 * POPULATION), out=tmp_path / "out", engine="inline")
    assert check(result, 2 * POPULATION)
    again = run(study(trials=2 * POPULATION), out=tmp_path / "again")
    assert [t.values for t in again.frozen_trials] == [t.values for t in result.frozen_trials]
    rates = result.history.set_index("epoch")["lr"]
    replayed = {epoch: params["lr"] for epoch, params in result.best.schedule if epoch < len(rates)}
    assert replayed  # the best network of this seed is a copy
    assert {epoch: rates[epoch + 1] for epoch in replayed} == pytest.approx(replayed)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("explore", ["perturb", "pb2"])
def test_ray_tunes_schedulers(explore: str, local_ray: None, tmp_path: Path) -> None:
    epochs = EPOCHS if explore == "perturb" else 3 * EPOCHS  # its model needs some rounds to begin with
    assert check(run(study(epochs=epochs, engine="ray", explore=explore), out=tmp_path / "out"))
