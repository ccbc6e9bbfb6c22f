"""Population-based training: who copies whom, what the copies go on with, and which studies are refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from search_spaces.choosing.population import Pbt, PopulationTraining
from search_spaces.errors import StudyError
from search_spaces.space import Space
from search_spaces.study.study import Study
from search_spaces.trials.database import memory_database
from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer

SPACE: dict[str, Any] = {
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "width": {"low": 2, "high": 20, "step": 2},
    "gamma": [0.8, 0.9, 1.0],
    "optimizer": "sgd",
}
START = {"lr": 1e-2, "width": 10, "gamma": 0.9, "optimizer": "sgd"}


def rounds(mode: Mode = "min", **options: Any) -> PopulationTraining:
    """Population-based training over ``SPACE``."""
    return PopulationTraining(Pbt(population=8, **options), Space.parse(SPACE), Objective(mode=mode), seed=0)


@pytest.mark.parametrize(("mode", "good", "bad"), [("min", {0, 1}, {6, 7}), ("max", {6, 7}, {0, 1})])
def test_the_worst_copy_the_best(mode: Mode, good: set[int], bad: set[int]) -> None:
    values, sources = {n: n / 10 for n in range(8)}, Counter[int]()
    for epoch in range(1, 60):
        moves = rounds(mode).moves(epoch, values, dict.fromkeys(values, START))
        assert {m.target for m in moves} == bad
        sources.update(m.source for m in moves)
    assert set(sources) == good
    assert min(sources.values()) > 40  # of 118, drawn evenly


def test_rounds_depend_on_seed_and_epoch_alone() -> None:
    values = {n: float(n) for n in range(8)}
    params = dict.fromkeys(values, START)
    backwards = dict(reversed(values.items()))
    assert rounds().moves(3, values, params) == rounds().moves(3, backwards, params)
    assert rounds().moves(3, values, params) != rounds().moves(4, values, params)
    assert [epoch for epoch in range(1, 10) if rounds(interval=3).due(epoch)] == [3, 6, 9]


def test_few_members_never_copy_themselves() -> None:
    for count in range(1, 8):
        moves = rounds(quantile=0.5).moves(1, {n: float(n) for n in range(count)}, dict.fromkeys(range(count), START))
        assert len(moves) == count // 2
        assert not {m.target for m in moves} & {m.source for m in moves}


def test_explored_hyperparameters_lie_near_and_in_the_space() -> None:
    one, rng, space = rounds(resample_probability=0.0), np.random.default_rng(0), Space.parse(SPACE)
    for start in (START, space.corner(last=True), space.corner(last=False)):
        for _ in range(50):
            near = one.explore(start, rng)
            space.check(near, "near")
            assert {type(value) for value in near.values()} <= {int, float, str}  # not numpy's: checkpoints hold them
            assert near["lr"] in [pytest.approx(min(max(start["lr"] * f, 1e-4), 1e-1)) for f in (0.8, 1.2)]
            assert abs(near["width"] - start["width"]) <= 4
            assert near["width"] != start["width"] or start["width"] in (2, 20)
            assert abs(SPACE["gamma"].index(near["gamma"]) - SPACE["gamma"].index(start["gamma"])) <= 1
            assert near["optimizer"] == "sgd"


def test_resampled_hyperparameters_come_from_the_whole_space() -> None:
    one, rng = rounds(resample_probability=1.0), np.random.default_rng(0)
    drawn = [one.explore(START, rng) for _ in range(300)]
    assert {d["width"] for d in drawn} == set(range(2, 21, 2))
    assert sum(d["lr"] < 10**-2.5 for d in drawn) == pytest.approx(150, abs=30)  # the middle of a log range


WITH_PBT: dict[str, Any] = {
    "task": "digits",
    "task_options": {"epochs": 10},
    "space": SPACE,
    "search": {"pbt": {"population": 8}},
}


def test_a_population_is_the_default_number_of_trials() -> None:
    one = Study(**WITH_PBT)
    assert (one.trials, one.concurrency(workers=4)) == (8, 8)
    assert Study(**{**WITH_PBT, "search": {"pbt": {"population": 8}, "trials": 24}}).concurrency(workers=2) == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": {"sampler": "tpe", "pbt": {}}}, "search.sampler: with search.pbt the first hyperparameters are"),
        ({"search": {"pbt": {"population": 8}, "trials": 12}}, "search.trials: must be a multiple of search.pbt.popul"),
        ({"search": {"pbt": {"population": 8}, "concurrency": 4}}, "search.concurrency: must be at least search.pbt.p"),
        (
            {"search": {"pbt": {"population": 2}}},
            "search.pbt.population: must be a whole number from 3 to 100 000, got 2",
        ),
        ({"search": {"pbt": {"interval": 10}}}, "search.pbt.interval: must be below task_options.epochs (10), got 10"),
        ({"search": {"pbt": {"quantile": 0.6}}}, "search.pbt.quantile: must be a number above 0, at most 0.5, got 0.6"),
        (
            {"search": {"pbt": {"perturb": [1.2, 0.8]}}},
            "search.pbt.perturb[0]: must be a number above 0, below 1, got 1.2",
        ),
        (
            {"search": {"pbt": {"perturb": [0.8, float("inf")]}}},
            "search.pbt.perturb[1]: must be a number above 1, at most 100",
        ),
        (
            {"search": {"pbt": {"perturb": ["0.8", 1.2]}}},
            "search.pbt.perturb[0]: must be a number above 0, below 1, got '0.8'",
        ),
        ({"search": {"pbt": {"perturb": [0.8]}}}, "search.pbt.perturb[1]: this key is required, and missing"),
        ({"search": {"pbt": {"intervall": 2}}}, "search.pbt: unknown key 'intervall'; did you mean 'interval'?"),
        ({"search": {"pbt": {"explore": "pb2"}}}, "space.gamma: search.pbt.explore pb2 models numbers, and this is a"),
        ({"early_stopping": {"asha": {}}}, "early_stopping: has no place in population-based training"),
        ({"space": {"lr": 0.1}}, "space: population-based training needs a hyperparameter to change"),
        ({"space": {"batch_size": [8, 16]}}, "space.batch_size: cannot change while a network trains"),
        (
            {"space": {"gamma": [0.5, 1.0], "lr": {"low": 0.1, "high": 0.2, "when": {"gamma": 0.5}}}},
            "space.lr.when: population-based training takes no conditions",
        ),
    ],
)
def test_studies_that_cannot_be_trained_so_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        Study(**{**WITH_PBT, **change})
    assert str(error.value).startswith(message)


def test_what_ray_tune_moves_about_comes_back() -> None:
    space = {"lr": SPACE["lr"], "width": SPACE["width"], "x": {"low": -1.0, "high": 3.0}, "optimizer": "sgd"}
    for explore in ("perturb", "pb2"):
        one = PopulationTraining(Pbt(population=8, explore=explore), Space.parse(space), Objective(), seed=0)
        for width in range(2, 21, 2):
            params = {"lr": 0.003, "width": width, "x": 0.7, "optimizer": "sgd"}
            config = one.config_of(5, params)
            assert config["number"] == 5
            assert one.params_of(config) == pytest.approx(params)
            if explore == "pb2":
                assert all(0 <= config[name] <= 1 for name in ("lr", "width", "x"))


@pytest.mark.parametrize("pbt", [{"engine": "ray"}, {"explore": "pb2"}])
def test_ray_tunes_schedulers_have_no_exact_order(pbt: dict[str, str]) -> None:
    search = {"seed": 3, "trials": 8, "order": "exact", "pbt": {"population": 8, **pbt}}
    with pytest.raises(StudyError, match=r"^search\.order: exact is not possible with the schedulers of Ray Tune"):
        Study(**{**WITH_PBT, "search": search})


def test_a_population_goes_on_with_all_its_members_or_not_at_all() -> None:
    one = Study(**{**WITH_PBT, "search": {"seed": 3, "trials": 24, "pbt": {"population": 8}}})
    database, undisturbed = (memory_database("study", [Objective()]) for _ in range(2))
    expected = Proposer(one, undisturbed).ask(24)
    begun = Proposer(one, database, workers=2)
    waves = [begun.propose() or [] for _ in range(2)]
    assert [len(wave) for wave in waves] == [8, 8]
    begun._ask_one(
        first=16, size=8
    )  # and is killed as it proposes the third population, when it has recorded nine trials
    for number in range(9):
        begun.tell(Outcome(number, TrialState.COMPLETE, 1.0, ((1, 1.0),), best_epoch=1))
    resumed = Proposer(one, database)
    assert [t for wave in resumed.unfinished() for t in wave] == expected[8:]
    assert [n for n in range(24) if resumed.finished(n)] == list(range(9))
    assert not resumed.ask(1)
