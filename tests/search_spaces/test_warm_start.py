"""Warm start, and conditional spaces of depth three, with every sampler."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.choosing.genetic import GENERATION, founders
from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.errors import StudyError
from search_spaces.space import Space
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase, memory_database
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.warm_start import completed, fitting, remember, remembered
from tests.search_spaces.asked import left

BOWL = {"x": {"low": -5.0, "high": 5.0}, "y": {"low": -5.0, "high": 5.0}, "z": {"low": -5.0, "high": 5.0}}
DEEP = {
    "kind": ["a", "b"],
    "b_sort": {"choices": ["x", "y"], "when": {"kind": "b"}},
    "y_size": {"low": 1, "high": 3, "when": {"b_sort": "y"}},
    "last": {"low": 0.0, "high": 0.3, "step": 0.1, "when": {"y_size": [2, 3], "kind": "b"}},
    "lr": {"low": 0.1, "high": 0.5, "step": 0.1},
    "fixed": 7,
}
LEARNING = sorted(name for name, kind in SAMPLERS.items() if kind.learns)


def study(sampler: str, space: dict[str, Any], seed: int = 0, trials: int = 12, **search: Any) -> Study:
    return Study(task="digits", space=space, search={"sampler": sampler, "trials": trials, "seed": seed, **search})


def bowl(params: dict[str, Any]) -> float:
    """Least, 0, at (3, -2, 1)."""
    return float((params["x"] - 3) ** 2 + (params["y"] + 2) ** 2 + (params["z"] - 1) ** 2)


def deep(params: dict[str, Any]) -> float:
    return float(params["lr"] + params.get("last", 0.5))


def run(one: Study, value: Any, past: list[FrozenTrial], database: TrialDatabase | None = None) -> list[dict[str, Any]]:
    """Configurations of all trials, two pending at a time."""
    proposer, waiting, params = Proposer(one, database or memory_database("study", [Objective()]), past=past), [], []
    while asked := proposer.ask(1):
        assert asked[0].number == len(params)
        params.append(asked[0].params)
        waiting += asked
        if len(waiting) > 1:
            first = waiting.pop(0)
            found = value(first.params)
            proposer.tell(Outcome(first.number, TrialState.COMPLETE, found, ((1, found),), best_epoch=1))
    return params


def past(space: dict[str, Any], value: Any, trials: int = 40) -> list[FrozenTrial]:
    """Trials of an earlier random search of the same space."""
    database = memory_database("earlier", [Objective()])
    run(study("random", space, seed=99, trials=trials), value, [], database)
    fit, why = fitting(completed(database.trials()), Space.parse(space))
    assert len(fit) == trials - 1 and why == ""
    return fit


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "genetic"])
def test_first_proposals_are_better_than_without(sampler: str) -> None:
    earlier = past(BOWL, bowl)
    options = {"options": {"population": 5}} if sampler == "genetic" else {}
    means: dict[bool, list[float]] = {True: [], False: []}
    for warm, found in means.items():
        for seed in range(20):
            one = study(sampler, BOWL, seed, trials=5, **options)
            found.append(float(np.mean([bowl(p) for p in run(one, bowl, earlier if warm else [])])))
    assert median(means[True]) < 0.6 * median(means[False])


@pytest.mark.parametrize("sampler", LEARNING)
def test_a_resumed_study_proposes_the_same_from_its_own_copy(sampler: str, tmp_path: Path) -> None:
    earlier, one = past(DEEP, deep, trials=8), study(sampler, DEEP, trials=8)
    undisturbed = run(one, deep, earlier)
    storage = open_storage(tmp_path / "trials.journal", None)
    assert remembered(storage, "study", Objective()) is None
    for copied in (earlier[:3], earlier):  # the second in place of the first
        remember(storage, "study", Objective(), copied)
    database = TrialDatabase(storage, "study", [Objective()])
    first = run(study(sampler, DEEP, trials=3), deep, earlier, database)
    again = open_storage(tmp_path / "trials.journal", None)
    copies = remembered(again, "study", Objective())
    assert copies is not None and [(t.params, t.value) for t in copies] == [(t.params, t.value) for t in earlier]
    proposer = Proposer(one, TrialDatabase(again, "study", [Objective()]), past=copies)
    (pending,) = left(proposer)
    assert first == undisturbed[:3] and pending.params == first[-1] and pending.number == 2
    (third,) = proposer.ask(1)
    assert (third.number, third.params) == (3, undisturbed[3])
    assert [t.number for t in database.trials()] == [0, 1, 2, 3]  # and none of the earlier study's


def test_a_copy_that_was_cut_short_counts_for_nothing(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "trials.journal", None)
    TrialDatabase(storage, "study/warm-start", [Objective()]).add(past(BOWL, bowl, 2)[0])
    assert remembered(storage, "study", Objective()) is None


def test_only_trials_of_this_space_fit() -> None:
    space = Space.parse(DEEP)
    good = [
        {"kind": "a", "lr": 0.3, "fixed": 7},
        {"kind": "a", "lr": 0.30000000000000004},  # a constant need not have been written down
        {"kind": "b", "b_sort": "x", "lr": 0.1},
        {"kind": "b", "b_sort": "y", "y_size": 1, "lr": 0.1},
        {"kind": "b", "b_sort": "y", "y_size": 3, "last": 0.2, "lr": 0.5},
    ]
    bad = {
        "kind: must be one of a, b, got 'c'": {"kind": "c", "lr": 0.3},
        "lr: is missing": {"kind": "a"},
        "lr: must be between 0.1 and 0.5 in steps of 0.1, got 0.35": {"kind": "a", "lr": 0.35},
        "fixed: must be one of 7, got 8": {"kind": "a", "lr": 0.3, "fixed": 8},
        "other: is not searched": {"kind": "a", "lr": 0.3, "other": 1},
        "y_size: is missing": {"kind": "b", "b_sort": "y", "lr": 0.1},
        "last: does not exist under the conditions of the others": {
            "kind": "b",
            "b_sort": "y",
            "y_size": 1,
            "last": 0.1,
            "lr": 0.1,
        },
    }
    for params in good:
        whole = space.whole(params)
        assert whole == {**{k: pytest.approx(v) if k == "lr" else v for k, v in params.items()}, "fixed": 7}
    for message, params in bad.items():
        with pytest.raises(StudyError) as error:
            space.whole(params)
        assert str(error.value) == message


def test_completed_trials_with_a_value_count() -> None:
    distribution = {"x": FloatDistribution(0, 1)}
    made = [
        create_trial(state=state, value=value, params={"x": 0.5}, distributions=distribution)
        for state, value in (
            (TrialState.COMPLETE, 1.0),
            (TrialState.COMPLETE, float("inf")),
            (TrialState.PRUNED, 1.0),
            (TrialState.FAIL, None),
            (TrialState.RUNNING, None),
        )
    ]
    assert completed(made) == made[:1]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_found_the_first_generation(mode: Mode) -> None:
    earlier = past(BOWL, bowl, 12)
    chosen = founders(earlier, 5, Objective(mode=mode))
    assert [t.value for t in chosen] == sorted((t.value for t in earlier if t.value), reverse=mode == "max")[:5]
    assert all(t.system_attrs == {GENERATION: 0} for t in chosen) and not any(t.system_attrs for t in earlier)


@pytest.mark.parametrize(("trials", "first"), [(4, 3), (40, 6)])
def test_a_genetic_search_goes_on_from_generation_0(trials: int, first: int) -> None:
    """Three members are there, three are missing; or all are there, and generation 1 comes first."""
    one, database = study("genetic", BOWL, options={"population": 6}), memory_database("study", [Objective()])
    block = Proposer(one, database, past=past(BOWL, bowl, trials)).ask(100)
    assert [p.number for p in block] == list(range(first))
    assert {t.system_attrs[GENERATION] for t in database.trials()} == {0 if first == 3 else 1}


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - set(LEARNING)))
def test_samplers_that_do_not_learn_refuse_by_name(sampler: str) -> None:
    with pytest.raises(StudyError) as error:
        study(sampler, {"x": [1, 2]}, trials=2, warm_start="anywhere")
    assert str(error.value) == (
        f"search.warm_start: sampler '{sampler}' learns nothing from earlier trials; samplers that do: cmaes, genetic, "
        "gp, optuna, tpe"
    )


def test_separable_cmaes_and_spaces_without_a_choice_refuse() -> None:
    one = study("cmaes", BOWL, options={"use_separable_cma": True}, warm_start="anywhere")
    with pytest.raises(StudyError, match=r"^search\.warm_start: cmaes with use_separable_cma cannot begin with"):
        Proposer(one, memory_database("study", [Objective()]), past=past(BOWL, bowl, 4))
    with pytest.raises(StudyError, match=r"^search\.warm_start: a space with nothing to search learns nothing"):
        study("tpe", {"x": 1}, trials=1, warm_start="anywhere")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditions_of_depth_three(sampler: str) -> None:
    """Sampled, as a grid, enqueued and warm-started: a configuration has just the parameters that exist in it."""
    space = Space.parse(DEEP)
    queue = [{"kind": "b", "b_sort": "y", "y_size": 3, "last": 0.2}, {"kind": "a", "lr": 0.2}]
    learns, grid = SAMPLERS[sampler].learns, sampler == "grid"
    size = 5 * (1 + 1 + 1 + 4 + 4)
    assert space.grid_size() == size
    options = {"population": 6} if sampler == "genetic" else {}
    one = study(sampler, DEEP, trials=size if grid else 24, options=options, enqueue=[] if grid else queue)
    params = run(one, deep, past(DEEP, deep, 10) if learns else [])
    if grid:
        assert len({tuple(p.items()) for p in params}) == len(params) == size
    else:
        assert all(asked.items() <= got.items() for asked, got in zip(queue, params, strict=False))
    assert all(space.whole(p) == p for p in params)
    assert {len(p) for p in params} >= {3, 6}  # the shallowest and the deepest


def test_what_is_enqueued_must_be_able_to_exist() -> None:
    with pytest.raises(StudyError) as error:
        study("random", DEEP, enqueue=[{"b_sort": "x"}, {"last": 0.1, "y_size": 1}])
    assert str(error.value) == "search.enqueue[1].last: does not exist beside y_size 1, got 0.1"
