"""The genetic algorithm: whole generations, parents, and that it finds better points than chance."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.choosing.genetic import CROSSOVERS, GENERATION, room, select
from search_spaces.study.study import Study
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer

SPACE = {
    "kind": ["a", "b"],
    "x": {"low": -5.0, "high": 5.0},
    "y": {"low": -5.0, "high": 5.0},
    "z": {"low": 0.0, "high": 1.0, "when": {"kind": "b"}},
}
POPULATION, TRIALS = 6, 24


def study(seed: int = 0, trials: int = TRIALS, sampler: str = "genetic", **options: Any) -> Study:
    own = {"population": POPULATION, **options} if sampler == "genetic" else {}
    search = {"sampler": sampler, "trials": trials, "seed": seed, "options": own}
    return Study(task="digits", space=SPACE, search=search)


def value(params: dict[str, Any]) -> float:
    """A bowl whose bottom, 0, lies at kind b, x 3, y -2, z 0."""
    return (params["x"] - 3) ** 2 + (params["y"] + 2) ** 2 + params.get("z", 10.0)


def proposer(one: Study, folder: Path) -> tuple[Proposer, TrialDatabase]:
    database = TrialDatabase(open_storage(folder / "trials.journal", None), one.name, [Objective()])
    return Proposer(one, database), database


def generation_of(trial: FrozenTrial) -> int:
    return int(trial.system_attrs[GENERATION])


def search(one: Study, folder: Path, failing: int = 0, restart: bool = False) -> list[list[dict[str, Any]]]:
    """Blocks of configurations as they are proposed; trials whose number divides by ``failing`` fail."""
    ask, database = proposer(one, folder)
    blocks = []
    while block := ask.ask(100):
        blocks.append([p.params for p in block])
        assert not ask.ask(100)  # nothing more before they are finished
        assert len({generation_of(database.trials()[p.number]) for p in block}) == 1
        for p in reversed(block):
            failed = failing and p.number % failing == 0
            ask.tell(
                Outcome(p.number, TrialState.FAIL, reason="no reason")
                if failed
                else Outcome(p.number, TrialState.COMPLETE, value(p.params), ((1, value(p.params)),), best_epoch=1)
            )
        if restart:
            ask, database = proposer(one, folder)
    return blocks


def test_generations_are_proposed_whole(tmp_path: Path) -> None:
    assert [len(block) for block in search(study(), tmp_path)] == [6, 6, 6, 6]
    assert [generation_of(t) for t in proposer(study(), tmp_path)[1].trials()] == [n // 6 for n in range(24)]


def test_failed_members_are_replaced(tmp_path: Path) -> None:
    blocks = search(study(), tmp_path, failing=5)  # of 0..5 fail 0 and 5, of the two in their places none
    assert [len(block) for block in blocks][:3] == [6, 2, 6]
    assert [generation_of(t) for t in proposer(study(), tmp_path)[1].trials()][:9] == [0] * 8 + [1]


def test_a_resumed_search_proposes_the_same(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    undisturbed, resumed = (search(study(), f, 5, restart=f is folders[1]) for f in folders)
    assert undisturbed == resumed


def test_without_crossing_and_mutation_children_are_copies_of_the_fittest(tmp_path: Path) -> None:
    blocks = search(study(crossover_probability=0.0, mutation_probability=0.0), tmp_path)
    assert all(params in blocks[0] for block in blocks for params in block)  # conditional genes included


@pytest.mark.parametrize("crossover", CROSSOVERS)
def test_every_crossover_obeys_the_space(crossover: str, tmp_path: Path) -> None:
    one = study(crossover=crossover)
    for params in (params for block in search(one, tmp_path) for params in block):
        assert ("z" in params) == (params["kind"] == "b")
        one.search_space.check(params, "params")


def trial(number: int, fitness: float, generation: int, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    values = {"value": fitness} if state is TrialState.COMPLETE else {}
    made = create_trial(state=state, system_attrs={GENERATION: generation}, **values)
    made.number = number
    return made


@pytest.mark.parametrize(
    ("share", "mode", "chosen"),
    [(1.0, "min", [0, 1, 3]), (0.0, "min", [3, 4, 5]), (1 / 3, "min", [0, 3, 4]), (1.0, "max", [2, 4, 5])],
)
def test_parents(share: float, mode: Mode, chosen: list[int]) -> None:
    old = [trial(n, fitness, 0) for n, fitness in enumerate((1.0, 3.0, 6.0))]
    new = [trial(n, fitness, 1) for n, fitness in enumerate((2.0, 5.0, 7.0), start=3)]
    assert [t.number for t in select(new + old, 3, share, Objective(mode=mode))] == chosen


def test_room() -> None:
    done, running = TrialState.COMPLETE, TrialState.RUNNING
    assert room([], 3) == 3
    assert room([trial(0, 1, 0), trial(1, 1, 0, running)], 3) == 1
    assert room([trial(n, 1, 0, TrialState.FAIL) for n in range(3)], 3) == 3
    full = [trial(n, 1, 0, done) for n in range(3)]
    assert room(full, 3) == 3
    assert room([*full, trial(3, 1, 1, running)], 3) == 2
    assert room([*full, trial(3, 1, 0, running)], 3) == 0  # its fitness may still make it a parent


def test_it_finds_better_points_than_chance(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    best: dict[str, list[float]] = {"genetic": [], "random": []}
    for sampler, found in best.items():
        for seed in range(9):
            folder = tmp_path / f"{sampler}{seed}"
            folder.mkdir()
            if sampler == "genetic":
                blocks = search(study(seed, 120), folder)
            else:
                blocks = [[p.params for p in proposer(study(seed, 120, sampler), folder)[0].ask(120)]]
            found.append(min(value(params) for block in blocks for params in block))
    assert median(best["genetic"]) < 0.6 * median(best["random"])
