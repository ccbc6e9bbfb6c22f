"""What ``search.order: exact`` costs: how long a search takes, and how much of it workers stand idle.

Run it with ``.venv/bin/python -m benchmarks.order`` from the repository's root. The search is the real one, TPE with and
without ASHA; its workers only keep time (``simulated.py``). Trials differ in length as much as their networks in cost:
what an epoch takes is log-normal, with a spread of 0.7 (nine in ten within a factor of ten) or 1.5 (of a hundred and forty), of
which the shape that the exact order goes by tells all but 30 %.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks import records
from benchmarks.simulated import Simulated, search_simulated
from search_spaces.space import Params
from search_spaces.study.study import Study
from search_spaces.trials.proposal import STEP_OVERHEAD, Shape

PROBLEM = "order"
EPOCHS, TRIALS, SEEDS = 27, 96, 5
CASES = [
    (spread, rule, workers, 2 * workers) for spread in (0.7, 1.5) for rule in ("none", "asha") for workers in (2, 8)
]
"""Spread of the costs, early stopping, workers, trials at a time."""


def study(rule: str, order: str, concurrency: int, seed: int) -> Study:
    """A search over two parameters: one that matters, one that sets the cost."""
    search = {"sampler": "tpe", "trials": TRIALS, "seed": seed, "order": order, "concurrency": concurrency}
    stopping = {"asha": {"grace_period": 1, "reduction_factor": 3}} if rule == "asha" else "none"
    space = {"x": {"low": 0.0, "high": 1.0}, "cost": {"low": 0.0, "high": 1.0}}
    return Study(
        name="order",
        task="digits",
        space=space,
        search=search,
        early_stopping=stopping,
        task_options={"epochs": EPOCHS},
    )


def measure(spread: float, rule: str, workers: int, concurrency: int, order: str, seed: int) -> dict[str, Any]:
    """One search: its time, the share of it that workers stood idle, the epochs it trained and the best value."""
    rng = np.random.default_rng(seed)
    shift, noise, values = (
        rng.normal(0, spread, 10_000),
        rng.normal(0, 0.3, TRIALS),
        rng.normal(0, 0.1, (TRIALS, EPOCHS + 1)),
    )

    def cost(params: Params) -> float:
        return float(np.exp(shift[int(params["cost"] * 9_999)]))

    costs: dict[int, float] = {}

    def value(number: int, params: Params, epoch: int) -> float:
        return float((params["x"] - 0.3) ** 2 + 1 / epoch + values[number, epoch])

    def shape(params: Params) -> Shape:
        return Shape(repr(params["cost"]), largest=1, work=int(1e9 * cost(params)) - STEP_OVERHEAD)

    engine = Simulated(workers, EPOCHS, value, seconds=lambda number: costs[number])
    start = engine.start

    def started(leg: Any) -> None:
        costs.update({n: cost(params) * float(np.exp(noise[n])) for n, params in leg.trials})
        start(leg)

    engine.start = started  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        database = search_simulated(study(rule, order, concurrency, seed), Path(folder) / "s", engine, shape)
        best = min(o.value for o in database.outcomes() if o.complete and o.value is not None)
        epochs = sum(o.epochs for o in database.outcomes())
    return {"time": engine.now, "idle": 1 - engine.busy / (workers * engine.now), "epochs": epochs, "best": best}


def main() -> None:
    """Measure every case with both orders and write the table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for spread, rule, workers, concurrency in CASES:
        for seed in range(SEEDS):
            for order in ("fast", "exact"):
                found = measure(spread, rule, workers, concurrency, order, seed)
                case = {"spread": spread, "rule": rule, "workers": workers, "concurrency": concurrency}
                records.append({"problem": PROBLEM, **case, "order": order, "seed": seed, **found})
        sys.stdout.write(f"spread {spread}, {rule}, {workers} workers: done\n")
        sys.stdout.flush()
    records.write_results()


if __name__ == "__main__":
    main()
