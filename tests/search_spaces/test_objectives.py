"""Several objectives: the contract of each sampler that takes them, the database, the front, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from search_spaces.choosing.samplers import SAMPLERS
from search_spaces.errors import StudyError
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase, memory_database
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Mode, Objective, check_known, front
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer
from tests.search_spaces.asked import proposals

BOTH = {"val_loss": "min", "parameters": "min"}
TWO = [Objective("val_loss", "min"), Objective("parameters", "min")]
SPACE = {
    "optimizer": ["adam", "sgd"],
    "momentum": {"low": 0.7, "high": 0.9, "step": 0.1, "when": {"optimizer": "sgd"}},
    "width": {"low": 1, "high": 9, "step": 2},
}
SEVERAL = sorted(name for name, sampler in SAMPLERS.items() if sampler.several)
SINGLE = sorted(set(SAMPLERS) - set(SEVERAL))


def study(sampler: str, seed: int = 0, **sections: Any) -> Study:
    """Two objectives; proposals by a Gaussian process take seconds, so few of them."""
    learned = {"options": {"n_startup_trials": 5}} if sampler in {"gp", "tpe", "optuna"} else {}
    search = {"sampler": sampler, "trials": 8 if sampler == "gp" else 16, "seed": seed, **learned}
    return Study(**{"task": "digits", "space": SPACE, "objectives": BOTH, "search": search, **sections})


def outcome(number: int, params: dict[str, Any]) -> Outcome:
    """A wide network is good and large; every fourth trial fails."""
    if number % 4 == 2:
        return Outcome(number, TrialState.FAIL, reason="no reason")
    value = 1 / params["width"] + number / 1000
    metrics = {"loss": value, "parameters": 75.0 * params["width"]}
    return Outcome(number, TrialState.COMPLETE, value, ((1, 2.0), (2, value)), 2, metrics)


def test_which_samplers_take_several() -> None:
    assert set(SEVERAL) >= {"random", "grid", "qmc", "tpe", "gp"}
    assert {"genetic", "cmaes"} <= set(SINGLE)


@pytest.mark.parametrize("sampler", SEVERAL)
def test_failed_trials_and_restarts_change_no_proposal(sampler: str, tmp_path: Path) -> None:
    undisturbed = proposals(study(sampler), tmp_path / "a", outcome)
    assert len(undisturbed) == study(sampler).trials
    assert proposals(study(sampler), tmp_path / "b", outcome, restart_at=(1, 6, 7)) == undisturbed


@pytest.mark.parametrize("sampler", sorted(set(SEVERAL) - {"grid", "gp"}))
def test_another_seed_proposes_others(sampler: str, tmp_path: Path) -> None:
    assert proposals(study(sampler), tmp_path / "a", outcome) != proposals(
        study(sampler, seed=1), tmp_path / "b", outcome
    )


@pytest.mark.parametrize("sampler", SINGLE)
def test_the_other_samplers_are_refused_by_name(sampler: str) -> None:
    message = rf"^search\.sampler: '{sampler}' takes a single objective, and there are val_loss, parameters; take tpe$"
    with pytest.raises(StudyError, match=message):
        study(sampler)
    assert study(sampler, objectives={"accuracy": "max"}).named_objectives == [Objective("accuracy", "max")]


def test_tpe_learns_where_the_front_is() -> None:
    """No x outside 0 to 1, a tenth of the range, is on the front of x^2 and (x - 1)^2."""
    one = Study(
        task="digits",
        space={"lr": {"low": -5.0, "high": 5.0}},
        objectives={"loss": "min", "error": "min"},
        search={"sampler": "tpe", "trials": 60, "seed": 0},
    )
    proposer = Proposer(one, memory_database("study", one.named_objectives))
    seen = []
    for _ in range(60):
        (proposal,) = proposer.ask(1)
        x = proposal.params["lr"]
        seen.append(x)
        proposer.tell(Outcome(proposal.number, TrialState.COMPLETE, x * x, ((1, x * x),), 1, {"error": (x - 1) ** 2}))
    assert np.mean([-0.2 <= x <= 1.2 for x in seen[30:]]) > 0.4


@pytest.mark.parametrize("url", [None, "sqlite"])
def test_the_database_has_a_value_per_objective(url: str | None, tmp_path: Path) -> None:
    objectives = [*TWO, Objective("seconds", "min"), Objective("accuracy", "max")]
    url = url and f"sqlite:///{tmp_path / 'x.db'}"
    database = TrialDatabase(open_storage(tmp_path / "trials.journal", url), "study", objectives)
    for state in (TrialState.RUNNING,) * 3:
        database.add(create_trial(state=state, params={}, distributions={}))
    metrics = {"loss": 0.5, "accuracy": 0.9, "parameters": 850}
    database.finish(Outcome(0, TrialState.COMPLETE, 0.5, ((1, 0.7), (2, 0.5)), 2, metrics, seconds=1.25))
    lacking = Outcome(1, TrialState.COMPLETE, 0.5, ((1, 0.5),), 1, {**metrics, "accuracy": math.nan}, seconds=1.25)
    database.finish(lacking.judged(objectives))
    database.finish(Outcome(2, TrialState.FAIL, 0.5, ((1, 0.5),), reason="it broke"))
    read = optuna.load_study(study_name="study", storage=open_storage(tmp_path / "trials.journal", url))
    assert read.metric_names == ["val_loss", "parameters", "seconds", "accuracy"]
    assert read.directions == [StudyDirection.MINIMIZE] * 3 + [StudyDirection.MAXIMIZE]
    assert [t.values for t in read.trials] == [[0.5, 850, 1.25, 0.9], None, None]
    assert [t.state.name for t in read.trials] == ["COMPLETE", "FAIL", "FAIL"]
    assert read.trials[0].intermediate_values == {1: 0.7, 2: 0.5}
    assert (
        "not every objective (val_loss, parameters, seconds, accuracy) is a finite"
        in read.trials[1].user_attrs["reason"]
    )
    assert read.trials[2].user_attrs["reason"] == "it broke"


def test_the_first_objective_is_the_value_whatever_it_is_called() -> None:
    done = Outcome(0, TrialState.COMPLETE, 0.5, metrics={"parameters": 3.0})
    assert done.values([Objective("val_f1", "max"), TWO[1]]) == [0.5, 3.0]
    assert done.values([Objective()]) == [0.5]
    assert done.judged(TWO) is done
    assert Outcome(0, TrialState.COMPLETE, 0.5).judged(TWO).state is TrialState.FAIL
    assert Outcome(0, TrialState.COMPLETE, 0.5).judged(TWO[:1]).state is TrialState.COMPLETE


@pytest.mark.parametrize("modes", [("min", "min"), ("max", "min"), ("min", "max", "max"), ("max",)])
def test_the_front_is_optunas(modes: tuple[Mode, ...]) -> None:
    rng = np.random.default_rng(0)
    for points in (rng.normal(size=(60, len(modes))), rng.integers(4, size=(60, len(modes))).astype(float)):
        theirs = optuna.create_study(directions=["minimize" if m == "min" else "maximize" for m in modes])
        theirs.add_trials([create_trial(values=list(point)) for point in points])
        assert front(points.tolist(), [Objective(mode=mode) for mode in modes]) == sorted(
            t.number for t in theirs.best_trials
        )
    assert front([], [Objective(mode=mode) for mode in modes]) == []


def test_names_are_those_of_the_task() -> None:
    check_known(
        [Objective(n, "min") for n in ("loss", "val_loss", "acc", "val_acc", "parameters", "seconds")], ["loss", "acc"]
    )
    for name in ("val_parameters", "accuracy", "val_val_loss"):
        message = rf"^objectives: unknown objective '{name}'; .*valid: parameters, seconds, val_acc, val_loss\)?$"
        with pytest.raises(StudyError, match=message):
            check_known([Objective("loss", "min"), Objective(name, "max")], ["loss", "acc"])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"objectives": {"parameters": "min"}},
            "objectives: the first must be a metric, since epochs are chosen by it, got 'p",
        ),
        (
            {"objectives": {"seconds": "min", "loss": "min"}},
            "objectives: the first must be a metric, since epochs are chosen",
        ),
        ({"objectives": {"loss": "min", "val_loss": "min"}}, "objectives: loss and val_loss are one and the same"),
        ({"objectives": {"loss": "least"}}, "objectives.loss: must be min or max, got 'least'"),
        ({"objectives": ["loss"]}, "objectives: must be a mapping, got ['loss']"),
        (
            {"early_stopping": {"asha": {"grace_period": 1}}},
            "early_stopping.asha: judges trials by a single objective, and there are val_loss, parameters; leave it out",
        ),
    ],
)
def test_what_cannot_be_is_one_line(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        study("tpe", **sections)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_what_can_be() -> None:
    assert study("random", early_stopping={"patience": 3}).early_stopping.patience == 3
    one = study("random", objectives={"accuracy": "max"}, early_stopping={"asha": {"grace_period": 1}})
    assert one.early_stopping.asha is not None


def test_the_order_survives_the_study_file(tmp_path: Path) -> None:
    objectives = {"val_loss": "min", "seconds": "min", "accuracy": "max"}
    (tmp_path / "study.yaml").write_text(study("random", objectives=objectives).to_yaml())
    assert [tuple(o) for o in Study.load(tmp_path / "study.yaml").named_objectives] == list(objectives.items())


def test_optuna_prunes_no_study_with_several_objectives() -> None:
    trial = optuna.create_study(directions=["minimize", "minimize"]).ask()
    with pytest.raises(NotImplementedError):
        trial.should_prune()
