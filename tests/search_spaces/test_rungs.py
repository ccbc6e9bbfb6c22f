"""ASHA against Ray Tune's own scheduler, and against a plain loop where results come together."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from search_spaces.choosing.rungs import Decision, Rungs, rung_epochs
from search_spaces.choosing.stopping import Asha
from search_spaces.trials.objectives import Objective

Mode = Literal["min", "max"]


def asha(grace: int, factor: float, epochs: int, mode: Mode = "min") -> Rungs:
    """Empty rungs of ASHA."""
    return Rungs(Asha(grace_period=grace, reduction_factor=factor).rule(epochs), Objective(mode=mode))


class Tried(NamedTuple):
    """All that the scheduler reads of a trial."""

    trial_id: str


def decisions_of_ray(results: list[tuple[int, int, float]], rungs: tuple[int, float, int], mode: Mode) -> list[bool]:
    """Whether Ray Tune stops the trial after each (trial, epoch, value)."""
    grace, factor, epochs = rungs
    ray = ASHAScheduler("epoch", "value", mode, max_t=epochs, grace_period=grace, reduction_factor=factor)
    trials = {number: Tried(str(number)) for number, _, _ in results}
    for trial in trials.values():
        ray.on_trial_add(None, trial)
    return [
        ray.on_trial_result(None, trials[n], {"epoch": epoch, "value": value}) == TrialScheduler.STOP
        for n, epoch, value in results
    ]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("factor", [2, 2.5, 3, 4])
@pytest.mark.parametrize("grace", [1, 2, 5])
@pytest.mark.parametrize("epochs", [8, 27, 40])
def test_one_result_at_a_time_is_decided_as_ray_does(grace: int, factor: float, epochs: int, mode: Mode) -> None:
    rng = np.random.default_rng([grace, int(factor * 10), epochs])
    ours = asha(grace, factor, epochs, mode)
    last, results, stopped = dict.fromkeys(range(40), 0), [], []
    while last:
        number = int(rng.choice(list(last)))
        last[number] += 1
        value = float(rng.integers(0, 20) if rng.random() < 0.5 else rng.normal(5, 5))  # ties included
        decision = ours.report(last[number], {number: value})[number]
        results.append((number, last[number], value))
        stopped.append(decision is Decision.STOP or last[number] == epochs)
        if stopped[-1]:
            del last[number]
    assert decisions_of_ray(results, (grace, factor, epochs), mode) == stopped
    assert sum(epoch < epochs and stop for (_, epoch, _), stop in zip(results, stopped, strict=True)) > 5


def brute_force(rung: dict[int, float], new: dict[int, float], factor: float, sign: float) -> set[int]:
    """Who is worse than the quantile of all others."""
    everyone = {**rung, **new}
    worse = set()
    for number, value in new.items():
        others = [sign * v for n, v in everyone.items() if n != number]
        if others and sign * value < np.percentile(others, (1 - 1 / factor) * 100):
            worse.add(number)
    return worse


@pytest.mark.parametrize(("mode", "sign"), [("min", -1.0), ("max", 1.0)])
@pytest.mark.parametrize("factor", [2, 2.5, 3, 4])
def test_results_that_come_together_are_judged_against_all_others(factor: float, mode: Mode, sign: float) -> None:
    rng = np.random.default_rng(0)
    rungs, seen, numbers = asha(3, factor, 50, mode), {}, iter(range(1000))
    for size in (1, 4, 1, 9, 2, 30):
        new = {next(numbers): float(rng.integers(0, 30)) for _ in range(size)}
        decided = rungs.report(3, new)
        assert {n for n, d in decided.items() if d is Decision.STOP} == brute_force(seen, new, factor, sign)
        assert decided.keys() == new.keys()
        seen |= new


def test_a_recorded_trial_goes_on() -> None:
    rungs = asha(1, 3, 9)
    rungs.record(1, {0: 1.0, 1: 2.0, 2: 9.0})
    assert rungs.report(1, {2: 9.5}) == {2: Decision.CONTINUE}
    assert rungs.report(1, {2: 9.5, 3: 9.0}) == {2: Decision.CONTINUE, 3: Decision.STOP}


def test_between_rungs_everyone_goes_on() -> None:
    rungs = asha(2, 2, 9)
    rungs.record(3, {0: 1.0})
    assert rungs.report(3, {0: 9.0, 1: 1.0}) == {0: Decision.CONTINUE, 1: Decision.CONTINUE}
    assert set(rungs.state()) == {2, 4, 8}


@pytest.mark.parametrize(
    ("arguments", "epochs"),
    [((1, 3, 30), (1, 3, 9, 27)), ((1, 3, 27), (1, 3, 9)), ((10, 3, 150), (10, 30, 90)), ((1, 2.5, 20), (1, 3, 7, 16)),
     ((5, 2, 5), ()), ((1, 1.2, 6), (1, 2, 3, 4, 5))],
)  # fmt: skip
def test_epochs_of_the_rungs(arguments: tuple[int, float, int], epochs: tuple[int, ...]) -> None:
    assert rung_epochs(*arguments) == epochs
