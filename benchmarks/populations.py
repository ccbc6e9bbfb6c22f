"""Population-based training inside one cohort and through Ray Tune's own scheduler: the same task, seeds and settings.

Run it with ``.venv/bin/python -m benchmarks.populations [SEEDS]`` from the repository's root.
"""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

from benchmarks import records
from benchmarks.trials import with_tunefleet
from cluster.engines.ray_session import ray_session
from cluster.prepared import prepare
from search_spaces.study.study import Study

PROBLEM = "populations"
METHODS = {"one cohort": "cohort", "Ray Tune's PopulationBasedTraining": "ray"}
EPOCHS = 24
STUDY: dict[str, Any] = {
    "task": "digits",
    "space": {
        "width": 32,
        "optimizer": "sgd",
        "momentum": 0.9,
        "lr": {"low": 1e-4, "high": 1.0, "log": True},
        "l2": {"low": 1e-6, "high": 1e-2, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
    },
}
POPULATION = {"population": 64, "interval": 1}
"""Large enough that the seconds in which a worker starts, which both take, do not decide."""


def run(engine: str, seed: int, epochs: int = EPOCHS) -> tuple[float, float]:
    """Best validation loss and seconds of one search; the refit is left out."""
    search = {"seed": seed, "pbt": {**POPULATION, "engine": engine}}
    study = Study(**STUDY, task_options={"epochs": epochs}, search=search)
    prepared = prepare(study)
    started = time.perf_counter()
    best = with_tunefleet(prepared, study.trials)
    return best, time.perf_counter() - started


def main(seeds: int) -> None:
    """Run both with every seed, in turn, and write the table."""
    one = uuid.uuid4().hex[:8]
    with ray_session(None):
        for engine in METHODS.values():
            run(engine, seed=seeds, epochs=2)  # what starts for the first time takes longer
        for seed in range(seeds):
            for method, engine in METHODS.items():
                best, seconds = run(engine, seed)
                sys.stdout.write(f"seed {seed}, {method}: best {best:.4f}, {seconds:.1f} s\n")
                sys.stdout.flush()
                records.append(
                    {
                        "problem": PROBLEM,
                        "run": one,
                        "method": method,
                        "seed": seed,
                        "epochs": EPOCHS,
                        **POPULATION,
                        "seconds": round(seconds, 2),
                        "best": round(best, 5),
                    }
                )
    records.write_results()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
