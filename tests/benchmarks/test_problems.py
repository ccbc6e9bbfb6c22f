"""The functions that searchers are compared on: their optima are the published ones, and a trial is an evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from benchmarks.problems import FUNCTIONS, GENES, HARTMANN_3, HARTMANN_6, RECIPE, Categorical, Function, Noisy, hartmann
from cluster.prepared import Prepared, prepare
from search_spaces.study.study import Study
from search_spaces.trials.outcome import Outcome
from trainables.cohort import Cohort
from trainables.data.batches import Data


def prepared(task: Function, seed: int = 0, epochs: int = 1) -> Prepared:
    raw: dict[str, Any] = {"task_options": {"epochs": epochs}, "search": {"trials": 1, "seed": seed}}
    return prepare(Study(task="benchmarks.problems:Function", space=task.space, **raw), task)


def evaluate(task: Function, points: list[dict[str, Any]], seed: int = 0, epochs: int = 1) -> list[Outcome]:
    ready = prepared(task, seed, epochs)
    data = Data.on(torch.device("cpu"), *ready.dataset.all_rows)
    cohort = Cohort(task, data, ready.plan(), list(enumerate(points)))
    while cohort.live:
        cohort.advance()
    assert cohort.why_loop is None or len(points) == 1
    return sorted(cohort.ended, key=lambda o: o.number)


def value_at(task: Function, params: dict[str, Any]) -> float:
    return evaluate(task, [params])[0].metrics["truth"]


@pytest.mark.parametrize(
    ("wells", "place", "value"),
    [
        (HARTMANN_3, (0.114614, 0.555649, 0.852547), -3.86278),
        (HARTMANN_6, (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), -3.32237),
    ],
)
def test_the_minimum_is_where_the_literature_has_it(wells: Any, place: tuple[float, ...], value: float) -> None:
    def at(x: Any) -> float:
        return float(hartmann(list(torch.tensor(x, dtype=torch.float64)), wells))

    assert at(place) == pytest.approx(value, abs=1e-5)
    rng = np.random.default_rng(0)
    box = [(0.0, 1.0)] * len(place)
    found = min(minimize(at, rng.random(len(place)), bounds=box, method="L-BFGS-B").fun for _ in range(20))
    assert found == pytest.approx(value, abs=1e-5)
    assert any(kind.optimum == pytest.approx(found, abs=1e-6) for kind in FUNCTIONS.values())


def test_the_optimum_of_the_conditional_function_is_on_its_first_branch() -> None:
    task = FUNCTIONS["conditional"]()
    three = {"branch": "three", "a1": 0.114614, "a2": 0.555649, "a3": 0.852547}
    six = {f"b{i}": x for i, x in enumerate((0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), 1)}
    assert value_at(task, three) == pytest.approx(task.optimum, abs=1e-5)
    assert value_at(task, {"branch": "six", **six}) == pytest.approx(-3.32237, abs=1e-5)
    # What belongs to the other branch makes no difference.
    assert value_at(task, {**three, **six}) == value_at(task, three)


def test_the_optimum_of_the_landscape_is_that_of_dynamic_programming() -> None:
    task = Categorical()
    table = task.contributions.numpy()
    most = -np.inf
    for first in range(5):  # cut the circle at the first gene
        reach = table[0, first]
        for gene in range(1, len(GENES) - 1):
            reach = (reach[:, None] + table[gene]).max(axis=0)
        most = max(most, float((reach + table[-1][:, first]).max()))
    assert task.optimum == pytest.approx(1 - most / len(GENES), abs=1e-12)


def test_a_value_of_the_landscape_is_the_mean_contribution() -> None:
    task = Categorical()
    alleles = [4, 0, 2, 1, 3, 3, 0, 1]
    params = {name: "abcde"[allele] for name, allele in zip(GENES, alleles, strict=True)}
    table = task.contributions
    mean = sum(float(table[i, alleles[i], alleles[(i + 1) % 8]]) for i in range(8)) / 8
    assert value_at(task, params) == pytest.approx(1 - mean, abs=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_trial_of_one_epoch_is_an_evaluation(name: str) -> None:
    task = FUNCTIONS[name]()
    space = prepared(task).study.search_space
    points = [space.corner(last=False), space.corner(last=True)]
    together = evaluate(task, points)
    for outcome, point in zip(together, points, strict=True):
        assert outcome.metrics["truth"] == pytest.approx(value_at(task, point), abs=1e-12)
        assert (outcome.value == outcome.metrics["truth"]) == (task.noise == 0)


def test_noise_is_normal_and_a_function_of_seed_trial_and_epoch() -> None:
    task = Noisy()
    points = [{**RECIPE, **task.defaults} for _ in range(400)]
    outcomes = evaluate(task, points)
    noise = np.array([o.value - o.metrics["truth"] for o in outcomes if o.value is not None]) / task.noise
    assert len(set(noise)) == 400
    assert abs(noise.mean()) < 4 / 20 and abs(noise.std() - 1) < 4 / np.sqrt(800)
    assert [o.value for o in evaluate(task, points)] == [o.value for o in outcomes]
    assert evaluate(task, points, seed=1)[0].value != outcomes[0].value
    curve = evaluate(task, points[:2], epochs=3)[0].curve
    assert curve[0][1] == pytest.approx(outcomes[0].value) and len({value for _, value in curve}) == 3
