"""The contract of every sampler, and of proposing with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from search_spaces.choosing.sampler import draw_seed
from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.errors import StudyError
from search_spaces.space import Space
from search_spaces.study.study import Study
from search_spaces.trials.database import memory_database
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer
from tests.search_spaces.asked import proposals

SPACE = {
    "optimizer": ["adam", "sgd", "rmsprop"],
    "momentum": {"low": 0.7, "high": 0.9, "step": 0.1, "when": {"optimizer": "sgd"}},
    "width": {"low": 1, "high": 9, "step": 2},
    "lr": {"low": 0.1, "high": 0.5, "step": 0.1},
}
EVERY_SAMPLER = pytest.mark.parametrize("sampler", SAMPLERS)
TRIALS = 24


def study(sampler: str, seed: int = 0, **search: Any) -> Study:
    """A study that every sampler can run."""
    return Study(task="digits", space=SPACE, search={"sampler": sampler, "trials": TRIALS, "seed": seed, **search})


def outcome(number: int, params: dict[str, Any]) -> Outcome:
    """How a trial ends: a function of its number and configuration."""
    value = params["lr"] + params["width"] / 10 + number / 1000
    curve = tuple((e, value + 1 / e) for e in range(1, 61))
    if number % 7 == 3:
        return Outcome(number, TrialState.FAIL, reason="no reason")
    if number % 5 == 2:
        return Outcome(number, TrialState.PRUNED, value, curve[:4])
    return Outcome(number, TrialState.COMPLETE, value, curve, best_epoch=60)


@EVERY_SAMPLER
def test_the_same_seed_proposes_the_same_and_another_does_not(sampler: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    first, same, other = (proposals(study(sampler, s), f, outcome) for s, f in zip((0, 0, 1), folders, strict=True))
    assert same == first
    assert len(first) == TRIALS
    assert (other == first) == (sampler == "grid")


@EVERY_SAMPLER
def test_restarts_change_no_proposal(sampler: str, tmp_path: Path) -> None:
    for name in ("undisturbed", "restarted"):
        (tmp_path / name).mkdir()
    undisturbed = proposals(study(sampler), tmp_path / "undisturbed", outcome)
    assert proposals(study(sampler), tmp_path / "restarted", outcome, restart_at=(1, 9, 15, 16)) == undisturbed


@EVERY_SAMPLER
def test_proposals_lie_in_the_space_and_in_the_database(sampler: str) -> None:
    database = memory_database("study", [Objective()])
    proposer, space = Proposer(study(sampler), database), Space.parse(SPACE)
    asked = proposer.ask(10)
    assert [p.number for p in asked] == list(range(10))
    for proposal, trial in zip(asked, database.trials(), strict=True):
        space.check(proposal.params, "here")
        assert ("momentum" in proposal.params) == (proposal.params["optimizer"] == "sgd")
        assert trial.params == proposal.params
        assert trial.state is TrialState.RUNNING
    assert len(proposer.ask(1000)) == TRIALS - 10
    assert proposer.ask(1) == []


def test_a_grid_is_tried_point_by_point() -> None:
    one = Study(task="digits", space=SPACE, search={"sampler": "grid"})
    proposer = Proposer(one, memory_database("study", [Objective()]))
    assert [p.params for p in proposer.ask(1000)] == list(Space.parse(SPACE).grid())
    assert one.trials == (1 + 1 + 3) * 5 * 5


def test_tpe_learns_what_is_good() -> None:
    proposer = Proposer(study("optuna", trials=60), memory_database("study", [Objective(mode="max")]))
    seen = []
    for _ in range(60):
        (proposal,) = proposer.ask(1)
        seen.append(proposal.params["lr"])
        proposer.tell(
            Outcome(proposal.number, TrialState.COMPLETE, proposal.params["lr"], ((1, proposal.params["lr"]),))
        )
    assert np.mean(seen[30:]) > np.mean(seen[:10]) + 0.05


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"grid"}))
def test_enqueued_configurations_come_first(sampler: str) -> None:
    queue = [{"optimizer": "sgd", "momentum": 0.8, "lr": 0.3}, {"width": 9}]
    database, one = memory_database("study", [Objective()]), study(sampler, enqueue=queue)
    (first,) = Proposer(one, database).ask(1)
    (second,) = Proposer(one, database).ask(1)
    (third,) = Proposer(study(sampler), database).ask(1)
    assert queue[0].items() <= first.params.items()
    assert second.params["width"] == 9
    assert third.number == 2
    assert [t.number for t in database.trials()] == [0, 1, 2]


def test_unknown_samplers_are_refused() -> None:
    with pytest.raises(StudyError, match=r"^search\.sampler: unknown sampler 'randon'; did you mean 'random'"):
        study("randon")


def test_every_draw_has_its_own_seed() -> None:
    assert len({draw_seed(seed, k) for seed in range(20) for k in range(200)}) > 3990
    assert draw_seed(1, 2) != draw_seed(2, 1)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"sampler": "genetic", "options": {"populaton": 9}}, "search.options: unknown key 'populaton'; did you mean "),
        ({"sampler": "genetic", "options": {"population": 2}}, "search.options.population: must be a whole number fr"),
        (
            {"sampler": "genetic", "options": {"crossover": "undy"}},
            "search.options.crossover: unknown crossover 'undy'",
        ),
        (
            {"sampler": "qmc", "options": {"sequence": "solob"}},
            "search.options.sequence: unknown sequence 'solob'; did",
        ),
        ({"sampler": "random", "options": {"population": 9}}, "search.options: unknown key 'population'; valid: none"),
        ({"sampler": "tpe", "options": 3}, "search.options: must be a mapping, got 3"),
    ],
)
def test_options_are_checked_by_the_sampler_they_are_for(search: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        study(**search)
    assert str(error.value).startswith(message)


def test_options_reach_the_sampler_and_the_resolved_study() -> None:
    one = study("tpe", options={"n_startup_trials": 7})
    sampler = one.search.options.draws(one.search_space, 0)(3)
    assert sampler._n_startup_trials == 7  # type: ignore[attr-defined]
    assert "n_startup_trials: 7" in one.to_yaml()


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"grid"}))
def test_a_batch_repeats_nothing(sampler: str) -> None:
    space = {"x": {"low": 0.0, "high": 1.0}, "kind": ["a", "b"], "y": {"low": 1e-4, "high": 1.0, "log": True}}
    one = Study(task="digits", space=space, search={"sampler": sampler, "trials": 36, "seed": 0})
    proposer = Proposer(one, memory_database("study", [Objective()]))
    for first in (True, False):
        batch = proposer.ask(30 if first else 6)
        assert len({tuple(p.params.values()) for p in batch}) == len(batch) == (30 if first else 6)
        for p in batch:
            value = p.params["x"] + p.params["y"]
            proposer.tell(Outcome(p.number, TrialState.COMPLETE, value, ((1, value),), best_epoch=1))


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
def test_low_discrepancy_points_are_evenly_spread(sequence: str) -> None:
    space = {
        "x": {"low": 0.0, "high": 1.0},
        "log": {"low": 1e-4, "high": 1.0, "log": True},
        "whole": {"low": 1, "high": 8},
        "power": {"low": 1, "high": 100, "log": True},
        "kind": ["a", "b"],
        "only_b": {"low": 0.0, "high": 0.7, "step": 0.1, "when": {"kind": "b"}},
    }
    search = {"sampler": "qmc", "trials": 64, "seed": 3, "options": {"sequence": sequence}}
    asked = Proposer(Study(task="digits", space=space, search=search), memory_database("study", [Objective()])).ask(64)
    x, whole = (sorted(p.params[name] for p in asked) for name in ("x", "whole"))
    assert max(abs(value - (i + 0.5) / 64) for i, value in enumerate(x)) < 1 / 16
    assert max(abs(whole.count(value) - 8) for value in range(1, 9)) <= 2
    assert abs(sum(p.params["log"] < 1e-2 for p in asked) - 32) <= 2
    assert abs(sum(p.params["power"] <= 10 for p in asked) - 37) <= 2  # of 0.5 to 100.5, as Optuna has it
    assert all(("only_b" in p.params) == (p.params["kind"] == "b") for p in asked)
