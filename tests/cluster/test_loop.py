"""The search loop with workers that only keep time: no Ray, no torch, milliseconds a study."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from benchmarks.simulated import Simulated, search_simulated
from cluster.loop import CRASHED, MOST_DEATHS
from search_spaces.errors import ClusterError
from search_spaces.space import Params
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage
from search_spaces.trials.limits import OUT_OF_TIME
from search_spaces.trials.objectives import Objective
from search_spaces.trials.proposal import Shape
from search_spaces.trials.study_dir import StudyDir

EPOCHS = 9
SPACE = {"x": {"low": 0.0, "high": 1.0}, "width": [1, 2, 4]}
RULES: dict[str, Any] = {
    "none": {},
    "asha": {"asha": {"grace_period": 1, "reduction_factor": 2}},
    "hyperband": {"hyperband": {"grace_period": 1, "reduction_factor": 3}},
    "median": {"median": {"grace_period": 2, "min_trials": 2, "interval": 2}},
}


class Interrupted(Exception):
    """As a kill between two reports would be."""


def study(rule: str = "none", limits: dict[str, Any] | None = None, **search: Any) -> Study:
    return Study(
        name="s",
        task="digits",
        space=SPACE,
        task_options={"epochs": EPOCHS},
        search={"trials": 24, "seed": 0, **search},
        early_stopping=RULES[rule],
        limits=limits or {},
    )


def value(number: int, params: Params, epoch: int) -> float:
    """A curve that falls; where it ends depends on ``x``, how noisily on the trial."""
    noise = np.random.default_rng([number, epoch]).normal(0, 0.1)
    return float((params["x"] - 0.3) ** 2 + 1 / epoch + noise)


def shape(params: Params) -> Shape:
    return Shape(str(params["width"]), steps=params["width"], largest=3)


def uneven(number: int) -> float:
    return float(np.random.default_rng(number).lognormal(0, 1.5))


class Searched:
    """A study in a folder, searched by simulated workers, again and again."""

    def __init__(self, folder: Path, one: Study, shape_of: Callable[[Params], Shape] = shape) -> None:
        self.folder, self.study, self.shape_of = StudyDir(folder), one, shape_of
        folder.mkdir(parents=True, exist_ok=True)

    def database(self) -> TrialDatabase:
        rule = self.study.early_stopping.rule(EPOCHS)
        storage = open_storage(self.folder.journal, None)
        return TrialDatabase(storage, "s", [Objective()], rule.epochs if rule else ())

    def run(self, engine: Simulated, minutes_ago: float = 0.0) -> None:
        search_simulated(self.study, self.folder.root, engine, self.shape_of, minutes_ago)

    def trials(self) -> list[tuple[Any, ...]]:
        """What the database holds, but for the times."""
        return [
            (t.number, t.state.name, t.params, t.values, t.intermediate_values, t.user_attrs.get("best_epoch"))
            for t in self.database().trials()
        ]

    def outcomes(self) -> list[tuple[TrialState, int, str | None]]:
        return [(o.state, o.epochs, o.reason) for o in self.database().outcomes()]


def engine(workers: int = 2, **more: Any) -> Simulated:
    return Simulated(workers, EPOCHS, value, **more)


def test_every_trial_is_trained_once_to_its_end(tmp_path: Path) -> None:
    searched, workers = Searched(tmp_path, study()), engine()
    searched.run(workers)
    assert searched.outcomes() == [(TrialState.COMPLETE, EPOCHS, None)] * 24
    assert sorted(n for leg in workers.legs for n, _ in leg.trials) == list(range(24))
    assert not list(searched.folder.checkpoints.glob("*"))


def test_a_rung_stops_some_and_the_others_go_on_from_where_they_were(tmp_path: Path) -> None:
    searched, workers = Searched(tmp_path, study("asha")), engine()
    searched.run(workers)
    states = [state for state, _, _ in searched.outcomes()]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all((leg.saved is None) == (leg.start == 0) for leg in workers.legs)
    trained = [(leg.cohort, epoch) for leg in workers.legs for epoch in range(leg.start, leg.until)]
    assert len(set(trained)) == len(trained), "no epoch is trained twice"
    assert {leg.until for leg in workers.legs} == {1, 2, 4, 8, EPOCHS}


def test_no_more_trials_are_pending_than_allowed(tmp_path: Path) -> None:
    searched, workers = Searched(tmp_path, study(concurrency=4)), engine()
    pending: list[int] = []

    def counting(number: int, params: Params, epoch: int) -> float:
        pending.append(sum(o.state is TrialState.RUNNING for o in searched.database().outcomes()))
        return value(number, params, epoch)

    workers.value = counting
    searched.run(workers)
    assert max(pending) == 4


SEARCHES: dict[str, dict[str, Any]] = {
    "random": {"sampler": "random"},
    "tpe": {"sampler": "tpe", "concurrency": 4, "options": {"n_startup_trials": 4}},
    "genetic": {"sampler": "genetic", "options": {"population": 6}},
    "population": {"pbt": {"population": 6}},
}
CASES = [
    *(("tpe", rule) for rule in RULES),
    ("random", "asha"),
    ("random", "median"),
    ("genetic", "none"),
    ("population", "none"),
]


@pytest.mark.parametrize(("search", "rule"), CASES)
def test_the_exact_order_knows_no_timing(tmp_path: Path, search: str, rule: str) -> None:
    """Any number of workers, any speed, killed at any moment: the same database."""
    one = study(rule, order="exact", **SEARCHES[search])
    expected = Searched(tmp_path / "expected", one)
    expected.run(engine(1))
    assert len(expected.trials()) == 24
    if rule != "none":
        assert {trial[1] for trial in expected.trials()} == {"COMPLETE", "PRUNED"}
    for place, (workers, seconds) in enumerate([(2, None), (3, uneven), (8, uneven), (8, lambda n: 1.0 / (1 + n))]):
        other = Searched(tmp_path / str(place), one)
        other.run(engine(workers, **({"seconds": seconds} if seconds else {})))
        assert other.trials() == expected.trials()
    rng = np.random.default_rng(7)
    killed = Searched(tmp_path / "killed", one)
    kills = 0
    while True:
        workers = engine(int(rng.integers(1, 5)), seconds=uneven)
        patience = int(rng.integers(3, 20)) + 4 * kills
        try:
            killed.run(_killing(workers, patience))
        except Interrupted:
            kills += 1
            continue
        break
    assert kills >= 2
    assert killed.trials() == expected.trials()


def _killing(workers: Simulated, epochs: int) -> Simulated:
    """Workers that are killed, together with their driver, after so many epochs."""
    left = [epochs]

    def until(number: int, params: Params, epoch: int) -> float:
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted
        return value(number, params, epoch)

    workers.value = until
    return workers


@pytest.mark.parametrize("rule", ["none", "asha"])
def test_a_killed_study_loses_nothing_in_the_fast_order_either(tmp_path: Path, rule: str) -> None:
    searched = Searched(tmp_path, study(rule, sampler="tpe", concurrency=6))
    for patience in (20, 40, 10**9):
        before = {t[0]: t for t in searched.trials() if t[1] != "RUNNING"}
        with suppress(Interrupted):
            searched.run(_killing(engine(3, seconds=uneven), patience))
        after = {t[0]: t for t in searched.trials()}
        assert {number: after[number] for number in before} == before
    assert len(after) == 24 and {t[1] for t in after.values()} <= {"COMPLETE", "PRUNED"}


def test_a_damaged_checkpoint_means_from_the_start(tmp_path: Path) -> None:
    searched = Searched(tmp_path, study("asha", order="exact"))
    whole = Searched(tmp_path / "whole", searched.study)
    whole.run(engine())
    with pytest.raises(Interrupted):
        searched.run(_killing(engine(), 60))
    files = sorted(searched.folder.checkpoints.glob("*.pt"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-2] + b"no")
    searched.run(engine())
    assert searched.trials() == whole.trials()


def test_what_cannot_be_built_never_reaches_a_worker(tmp_path: Path) -> None:
    def unbuildable(params: Params) -> Shape:
        if params["width"] == 4:
            raise ValueError("cannot be built")
        return shape(params)

    searched, workers = Searched(tmp_path, study(), unbuildable), engine()
    searched.run(workers)
    failed = [t for t in searched.database().trials() if t.params["width"] == 4]
    assert failed and {t.state for t in failed} == {TrialState.FAIL}
    assert {t.number for t in failed}.isdisjoint(n for leg in workers.legs for n, _ in leg.trials)
    assert failed[0].user_attrs["reason"].startswith("ValueError: cannot be built")


@pytest.mark.parametrize("culprit", [0, 5, 23])
def test_the_trial_that_kills_its_process_is_found_and_the_others_run(tmp_path: Path, culprit: int) -> None:
    searched = Searched(tmp_path, study(), lambda params: Shape("one", largest=100))
    searched.run(engine(deadly=[culprit]))
    found = searched.outcomes()
    assert found.pop(culprit) == (TrialState.FAIL, 0, CRASHED)
    assert found == [(TrialState.COMPLETE, EPOCHS, None)] * 23


def test_halves_go_on_from_the_checkpoint_of_the_whole(tmp_path: Path) -> None:
    searched = Searched(tmp_path, study("asha"), lambda params: Shape("one", largest=100))
    undisturbed = Searched(tmp_path / "undisturbed", searched.study, searched.shape_of)
    undisturbed.run(engine(1))
    culprit = next(number for number, (state, *_) in enumerate(undisturbed.outcomes()) if state is TrialState.COMPLETE)
    workers = engine(1, deadly=[culprit], deadly_from=4)
    searched.run(workers)
    assert searched.outcomes()[culprit][0] is TrialState.FAIL
    assert [leg.start for leg in workers.legs].count(0) == 1, "nobody begins again"
    assert {leg.start for leg in workers.legs if len(leg.trials) < 5} >= {4}
    others = {state for number, (state, *_) in enumerate(searched.outcomes()) if number != culprit}
    assert others == {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize("rule", ["none", "asha"])
def test_a_machine_that_goes_once_changes_nothing(tmp_path: Path, rule: str) -> None:
    one = study(rule, order="exact", sampler="tpe", concurrency=4)
    undisturbed, disturbed = Searched(tmp_path / "a", one), Searched(tmp_path / "b", one)
    undisturbed.run(engine())
    disturbed.run(engine(deadly=[3], mercy=1))
    assert disturbed.trials() == undisturbed.trials()


def test_workers_that_never_report_end_the_search(tmp_path: Path) -> None:
    workers = engine(2, deadly=range(24))
    with pytest.raises(ClusterError, match="workers die before they report anything; the last of OSError: killed"):
        Searched(tmp_path, study(), lambda params: Shape("one", largest=100)).run(workers)
    assert len(workers.legs) <= MOST_DEATHS + 2 * 2


def test_a_population_whose_process_dies_twice_fails_as_a_whole(tmp_path: Path) -> None:
    searched = Searched(tmp_path, study(pbt={"population": 6}), lambda params: Shape("one", largest=1))
    searched.run(engine(1, deadly=[8]))
    found = searched.outcomes()
    assert found[6:12] == [(TrialState.FAIL, 0, CRASHED)] * 6
    assert found[:6] + found[12:] == [(TrialState.COMPLETE, EPOCHS, None)] * 18


def test_when_time_is_over_the_best_of_the_first_cohort_goes_on_alone(tmp_path: Path) -> None:
    searched, workers = Searched(tmp_path, study(limits={"minutes": 1})), engine()
    searched.run(workers, minutes_ago=2)
    complete = [o for o in searched.database().outcomes() if o.complete]
    assert len(complete) == 1 and complete[0].epochs == EPOCHS
    others = [o for o in searched.outcomes() if o[0] is not TrialState.COMPLETE]
    assert others and set(others) == {(TrialState.PRUNED, 0, OUT_OF_TIME)}


@pytest.mark.parametrize("moment", range(40, 90, 3))
def test_when_time_is_over_nobody_waits_at_a_rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    real, epochs = time.time, [0]
    monkeypatch.setattr(time, "time", lambda: real() + 120 * (epochs[0] >= moment))

    def counted(number: int, params: Params, epoch: int) -> float:
        epochs[0] += 1
        return value(number, params, epoch)

    searched = Searched(tmp_path, study("asha", limits={"minutes": 1}, order="exact", sampler="tpe", concurrency=6))
    workers = engine(1)
    workers.value = counted
    searched.run(workers)
    assert all(state.is_finished() for state, _, _ in searched.outcomes())
    assert any(state is TrialState.COMPLETE for state, _, _ in searched.outcomes())


@pytest.mark.parametrize(
    "damage", [None, "x", [], [0, -5, 0, 1.0], [0, 10**9, 0, 1.0], [7, 1, 0, 1.0], [0, 24, 0, None]]
)
def test_a_note_of_a_wave_that_cannot_be_is_no_harm(tmp_path: Path, damage: object) -> None:
    searched = Searched(tmp_path, study(order="exact"))
    with pytest.raises(Interrupted):
        searched.run(_killing(engine(), 60))
    journal = searched.folder.journal
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        if "wave" in line.get("user_attrs", {}) and line["user_attrs"]["wave"][0] == 0:
            line["user_attrs"]["wave"] = damage
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    searched.run(engine())
    assert [state for state, _, _ in searched.outcomes()] == [TrialState.COMPLETE] * 24


def test_when_time_is_over_others_begin_only_until_one_completes(tmp_path: Path) -> None:
    searched = Searched(tmp_path, study(limits={"minutes": 1}))
    searched.run(engine(1, deadly=range(20)), minutes_ago=2)
    states = [state for state, _, _ in searched.outcomes()]
    assert states.count(TrialState.COMPLETE) == 1 and TrialState.FAIL in states


def test_trials_in_training_stop_after_their_epoch_when_time_is_over(tmp_path: Path) -> None:
    searched = Searched(tmp_path, study(limits={"minutes": 1}, trials=None, concurrency=6))
    workers = engine(1)
    epochs = [0]

    def slow(number: int, params: Params, epoch: int) -> float:
        epochs[0] += 1
        if epochs[0] == 100:
            time.sleep(0.6)
        return value(number, params, epoch)

    workers.value = slow
    searched.run(workers, minutes_ago=1 - 0.5 / 60)
    stopped = [o for o in searched.outcomes() if o[2] == OUT_OF_TIME]
    assert any(0 < epochs < EPOCHS for _, epochs, _ in stopped)
    assert any(state is TrialState.COMPLETE for state, _, _ in searched.outcomes())
