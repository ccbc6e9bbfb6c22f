"""What every early-stopping rule keeps, and each rule against a trusted reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search_spaces.choosing.rungs import GOLDEN, Decision, Rule, Rungs
from search_spaces.choosing.stopping import Asha, Hyperband, Median
from search_spaces.errors import StudyError
from search_spaces.study.sections import EarlyStopping
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import MOST_RUNGS, Outcome
from tests.search_spaces.test_rungs import decisions_of_ray

Mode = Literal["min", "max"]
EPOCHS = 20
RULES = {
    "asha": Asha(grace_period=2, reduction_factor=2).rule(EPOCHS),
    "median": Median(grace_period=2, min_trials=3, interval=3).rule(EPOCHS),
    "hyperband": Hyperband(grace_period=1, reduction_factor=3).rule(EPOCHS),
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
both_modes = pytest.mark.parametrize("mode", ["min", "max"])


def curves(count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Values (trial, epoch - 1) that get better in either direction; trials differ more than epochs."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (count, 1)) + rng.normal(0, 1, (count, EPOCHS))


def stops(decisions: Mapping[int, Decision]) -> set[int]:
    return {number for number, decision in decisions.items() if decision is Decision.STOP}


def train(rungs: Rungs, values: Any, numbers: range, upto: int = EPOCHS) -> dict[int, int]:
    """Train trials together; returns the epoch at which each was stopped."""
    live, stopped = set(numbers), {}
    for epoch in range(1, upto):
        out = stops(rungs.report(epoch, {n: float(values[n, epoch - 1]) for n in sorted(live)}))
        stopped |= dict.fromkeys(out, epoch)
        live -= out
    return stopped


@every_rule
def test_both_modes_are_mirror_images_and_stop_some_but_not_all(rule: Rule) -> None:
    values = curves(60)
    low = train(Rungs(rule, Objective(mode="min")), values, range(60))
    assert low == train(Rungs(rule, Objective(mode="max")), -values, range(60))
    assert 10 < len(low) < 60 and set(low.values()) <= set(rule.epochs) and len(set(low.values())) > 1


@every_rule
@both_modes
def test_the_order_within_a_batch_does_not_matter(rule: Rule, mode: Mode) -> None:
    forwards, backwards = Rungs(rule, Objective(mode=mode)), Rungs(rule, Objective(mode=mode))
    for epoch in rule.epochs:
        values = {n: float(v) for n, v in enumerate(curves(40)[:, epoch - 1])}
        assert forwards.report(epoch, values) == backwards.report(epoch, dict(reversed(values.items())))


@every_rule
@both_modes
def test_results_that_come_together_are_recorded_before_any_is_judged(rule: Rule, mode: Mode) -> None:
    values = {n: float(v) for n, v in enumerate(curves(40)[:, 0])}
    together = stops(Rungs(rule, Objective(mode=mode)).report(rule.epochs[0], values))
    alone = set()
    for number in values:
        rungs = Rungs(rule, Objective(mode=mode))
        rungs.record(rule.epochs[0], {n: v for n, v in values.items() if n != number})
        alone |= stops(rungs.report(rule.epochs[0], {number: values[number]}))
    assert together == alone and together


@every_rule
@both_modes
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_trial_without_a_finite_value_stops_and_counts_for_nobody(rule: Rule, mode: Mode, bad: float) -> None:
    with_bad, without = Rungs(rule, Objective(mode=mode)), Rungs(rule, Objective(mode=mode))
    values = curves(40)
    broken = set(range(0, 40, 4))
    first = rule.epochs[0]
    clean = {n: float(values[n, first - 1]) for n in range(40) if n not in broken}
    assert stops(with_bad.report(first, clean | dict.fromkeys(broken, bad))) == broken | stops(
        without.report(first, clean)
    )
    with_bad.record(rule.epochs[1], dict.fromkeys(broken, bad))
    for epoch in rule.epochs[1:]:
        values_here = {n: float(values[n, epoch - 1]) for n in clean}
        assert with_bad.report(epoch, values_here) == without.report(epoch, values_here)
    assert stops(Rungs(rule, Objective(mode=mode)).report(first, {0: bad})) == {0}


@every_rule
@both_modes
def test_a_study_killed_anywhere_decides_as_an_undisturbed_one(rule: Rule, mode: Mode, tmp_path: Path) -> None:
    """Twelve trials have ended, twelve are running at ``epoch``; what the database knows goes into new rungs."""
    values = curves(40)
    for epoch in (6, 13, EPOCHS):
        undisturbed = Rungs(rule, Objective(mode=mode))
        ended = train(undisturbed, values, range(12))
        running = train(undisturbed, values, range(12, 24), upto=epoch)
        database = TrialDatabase(
            open_storage(tmp_path / f"{epoch}", None), "study", [Objective(mode=mode)], rule.epochs
        )
        for number in range(24):
            database.add(create_trial(state=TrialState.RUNNING))
            stopped = (ended | running).get(number)
            curve = tuple((e, float(values[number, e - 1])) for e in range(1, (stopped or EPOCHS) + 1))
            if number in running or number < 12:
                state = TrialState.PRUNED if stopped else TrialState.FAIL if number % 5 == 0 else TrialState.COMPLETE
                database.finish(Outcome(number, state, curve[-1][1], curve, curve[-1][0]))
            else:
                for rung in rule.epochs:
                    if rung < epoch:
                        database.report(number, rung, float(values[number, rung - 1]))
        resumed = Rungs(rule, Objective(mode=mode))
        for trial in database.trials():
            for at, value in Outcome.of(trial).curve:
                resumed.record(at, {trial.number: value})
        assert resumed.state() == undisturbed.state()
        assert train(resumed, values, range(24, 40)) == train(undisturbed, values, range(24, 40))
        worst = dict.fromkeys(set(range(12, 24)) - running.keys(), 99.0 if mode == "min" else -99.0)
        for rung in (rung for rung in rule.epochs if rung < epoch):
            assert not stops(resumed.report(rung, worst)), "nobody is judged twice"


def test_as_many_rungs_as_may_be_survive_in_the_database(tmp_path: Path) -> None:
    """With a best epoch that is none of them, in a curve that is much longer."""
    rungs = tuple(range(100, 100 + 3 * MOST_RUNGS, 3))
    database = TrialDatabase(open_storage(tmp_path / "journal", None), "study", [Objective()], rungs)
    database.add(create_trial(state=TrialState.RUNNING))
    database.finish(Outcome(0, TrialState.COMPLETE, 0.0, tuple((e, 1.0) for e in range(1, 500)), best_epoch=50))
    assert {1, 50, 499, *rungs} == set(database.trial(0).intermediate_values)


@both_modes
@pytest.mark.parametrize(("grace", "interval", "least"), [(1, 1, 1), (2, 3, 4), (5, 2, 7)])
def test_median_decides_as_optunas_pruner_does(grace: int, interval: int, least: int, mode: Mode) -> None:
    """One trial after the other. Optuna is told that every earlier trial was completed, for here they all count."""
    pruner = optuna.pruners.MedianPruner(0, n_warmup_steps=grace, interval_steps=interval, n_min_trials=least)
    study = optuna.create_study(direction="minimize" if mode == "min" else "maximize")
    rule = Median(grace_period=grace, interval=interval, min_trials=least).rule(EPOCHS)
    rungs, values, stopped = Rungs(rule, Objective(mode=mode)), np.round(curves(60)), 0  # ties included
    for number in range(60):
        reported: dict[int, float] = {}
        for epoch in rule.epochs:
            reported[epoch] = float(values[number, epoch - 1])
            trial = create_trial(state=TrialState.RUNNING, intermediate_values=reported)
            ours = stops(rungs.report(epoch, {number: reported[epoch]})) == {number}
            assert ours == pruner.prune(study, trial)
            if ours:
                stopped += 1
                break
        study.add_trial(create_trial(state=TrialState.COMPLETE, value=0.0, intermediate_values=reported))
    assert 10 < stopped < 55


@both_modes
def test_median_never_stops_the_good_half(mode: Mode) -> None:
    rungs, values = Rungs(RULES["median"], Objective(mode=mode)), curves(41)
    live = set(range(41))
    for epoch in rungs.epochs:
        here = {n: float(values[n, epoch - 1]) for n in live}
        ranked = sorted(here, key=lambda n, at=here: at[n], reverse=mode == "max")  # type: ignore[misc]
        out = stops(rungs.report(epoch, here))
        assert out.isdisjoint(ranked[: len(ranked) // 2])
        live -= out
    assert 1 <= len(live) <= 20


def test_median_judges_by_the_best_value_so_far_and_waits_for_enough_others() -> None:
    rungs = Rungs(Median(grace_period=1, min_trials=3, interval=1).rule(9), Objective())
    rungs.record(1, {0: 0.0, 1: 5.0, 2: 5.0})
    assert not stops(rungs.report(2, {0: 9.0, 1: 5.0, 2: 9.0})), "two others each"
    assert stops(rungs.report(2, {3: 6.0, 4: 9.0})) == {4}
    rungs.record(3, {1: 5.0, 2: 5.0, 3: 5.0})
    assert not stops(rungs.report(3, {0: 9.0})), "it was the best at rung 1"


@pytest.mark.parametrize(
    ("epochs", "grace", "rungs"), [(150, 10, 20), (30, 1, 15), (21, 1, 20), (3, 2, 1), (9999, 1, 20)]
)
def test_median_has_about_twenty_rungs(epochs: int, grace: int, rungs: int) -> None:
    made = Median(grace_period=grace).rule(epochs).epochs
    assert (len(made), made[0]) == (rungs, grace) and made[-1] < epochs


@both_modes
@pytest.mark.parametrize(("grace", "factor", "brackets"), [(1, 3, None), (2, 2, 3), (1, 2.5, 2)])
def test_hyperband_decides_as_ray_does_in_each_bracket(
    grace: int, factor: float, brackets: int | None, mode: Mode
) -> None:
    """With one of Ray Tune's ASHA schedulers for each bracket, which begins to judge later and later."""
    rule = Hyperband(grace_period=grace, reduction_factor=factor, brackets=brackets).rule(EPOCHS)
    rungs, values, place = Rungs(rule, Objective(mode=mode)), np.round(curves(200)), rule.brackets(np.arange(200))
    results: dict[int, list[tuple[int, int, float]]] = {}
    stopped: dict[int, list[bool]] = {}
    for number in range(200):
        bracket = int(place[number])
        for epoch in range(1, EPOCHS + 1):
            value = float(values[number, epoch - 1])
            out = stops(rungs.report(epoch, {number: value}))
            results.setdefault(bracket, []).append((number, epoch, value))
            stopped.setdefault(bracket, []).append(bool(out) or epoch == EPOCHS)
            if out:
                break
    assert sorted(results) == list(range(len(rule.shares)))
    for bracket, of_bracket in results.items():
        first = math.ceil(grace * factor**bracket)
        if first < EPOCHS:
            assert next(e for e in rule.epochs if e >= first) == rule.epochs[bracket] == first
        of_ray = decisions_of_ray(of_bracket, (grace * factor**bracket, factor, EPOCHS), mode)
        assert of_ray == stopped[bracket]


def test_hyperband_shares_the_trials_as_in_the_paper() -> None:
    rule = Hyperband(grace_period=1, reduction_factor=3).rule(81)
    budget = np.array([81, 34, 15, 8, 5])  # Li et al. 2018, table 1: n_0 of the brackets s = 4 ... 0
    assert rule.epochs == (1, 3, 9, 27)
    np.testing.assert_allclose(rule.shares, budget / budget.sum(), atol=0.01)
    exact = np.array([81 / 5, 27 / 4, 9 / 3, 3 / 2, 1])
    np.testing.assert_allclose(rule.shares, exact / exact.sum(), rtol=1e-12)
    for start in (0, 17, 100_000):
        counts = np.bincount(rule.brackets(np.arange(start, start + 100)), minlength=5)
        np.testing.assert_allclose(counts, 100 * np.array(rule.shares), atol=3)
    fewer = Hyperband(grace_period=1, reduction_factor=3, brackets=2).rule(81)
    np.testing.assert_allclose(fewer.shares, exact[:2] / exact[:2].sum())
    assert Hyperband(grace_period=2, brackets=1).rule(81) == Asha(grace_period=2).rule(81)


def test_brackets_do_not_mix() -> None:
    rule = RULES["hyperband"]
    place = rule.brackets(np.arange(100))
    assert place.tolist() == [sum(n * GOLDEN % 1 >= s for s in np.cumsum(rule.shares)[:-1]) for n in range(100)]
    values = {n: 100.0 if place[n] == 0 else float(n) for n in range(100)}
    epoch = rule.epochs[1]
    alone = stops(Rungs(rule, Objective()).report(epoch, {n: v for n, v in values.items() if place[n] == 1}))
    assert stops(Rungs(rule, Objective()).report(epoch, values)) == alone and alone
    assert {
        place[n] for n in stops(Rungs(rule, Objective()).report(rule.epochs[0], {n: float(n) for n in range(100)}))
    } == {0}


def study(early_stopping: Any, epochs: int = 30) -> Study:
    return Study(
        task="digits", space={"lr": [1, 2]}, search={"trials": 2}, task_options={"epochs": epochs},
        early_stopping=early_stopping,
    )  # fmt: skip


def test_none_is_no_rule_at_all() -> None:
    assert study("none").early_stopping == EarlyStopping() == Study(task="digits").early_stopping
    assert study("none").early_stopping.rule(30) is None
    assert Study.load("digits", {"early_stopping": "none"}).early_stopping == EarlyStopping()


@pytest.mark.parametrize("name", RULES)
def test_patience_stands_beside_each_rule(name: str) -> None:
    section = study({name: {"grace_period": 2}, "patience": 4}).early_stopping
    rule = section.rule(30)
    assert section.patience == 4 and rule is not None and rule.epochs[0] == 2
    assert study({name: {}}).early_stopping.rule(30) == EarlyStopping(**{name: {}}).rule(30)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"asha": {}, "median": {}}, ": takes one rule that compares trials, got asha and median"),
        ({"median": {"grace_period": 30}}, ".median.grace_period: must be below task_options.epochs (30), got 30"),
        (
            {"hyperband": {"grace_period": 31}},
            ".hyperband.grace_period: must be below task_options.epochs (30), got 31",
        ),
        ({"median": {"interval": 1}}, ".median.interval: must make at most 27 rungs, got 1: 29 rungs"),
        ({"median": {"min_trials": 0}}, ".median.min_trials: must be a whole number from 1 to 10 000 000, got 0"),
        ({"median": {"interval": 2.5}}, ".median.interval: must be a whole number from 1 to 10 000 000, got 2.5"),
        ({"hyperband": {"brackets": 5}}, ".hyperband.brackets: only 4 begin within 30 epochs, got 5"),
        ({"hyperband": {"bracket": 5}}, ".hyperband: unknown key 'bracket'; did you mean 'brackets'?"),
        ({"median": 3}, ".median: must be a mapping with the keys grace_period, min_trials, interval, got 3"),
        ("some", ": must be a mapping with the keys asha, median, hyperband, patience, got 'some'"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, message: str) -> None:
    with pytest.raises(StudyError) as error:
        study(raw)
    assert str(error.value).startswith("early_stopping" + message)


def test_more_rungs_than_the_database_keeps_are_refused_of_every_rule() -> None:
    slow = {"reduction_factor": 1.5}
    for name in ("asha", "hyperband"):
        with pytest.raises(StudyError, match=rf"^early_stopping\.{name}\.reduction_factor: .* 27 rungs, got 1\.5: 35"):
            study({name: slow}, epochs=1_000_000)
