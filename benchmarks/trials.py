"""What a trial costs: tunefleet, Ray Tune and Optuna on one search, one after the other.

Run it with ``.venv/bin/python -m benchmarks.trials [RUNS]`` from the repository's root. The problem is the study
``regression_random``: a 1-10-20-10-1 network, 5 folds, 150 epochs, on 100 points. The peers train the same trials
with an ordinary PyTorch loop; they get fewer of them, because each costs more.
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import optuna
import ray
import torch
from optuna.distributions import CategoricalDistribution
from ray import tune

from benchmarks import records
from benchmarks.search_alone import searched
from cluster.engines.ray_session import ray_session
from cluster.prepared import Prepared, prepare
from search_spaces.study.study import Study
from trainables.recipe import Recipe, network_params

PROBLEM = "regression_random"
OPTIMIZERS: dict[str, Any] = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}


def train(prepared: Prepared, params: Mapping[str, Any]) -> float:
    """One trial as people write it: fold after fold, step after step; the best over epochs of the mean over folds."""
    torch.set_num_threads(1)
    task, recipe = prepared.task, Recipe.of(params)
    inputs, targets = (torch.tensor(rows) for rows in prepared.dataset.all_rows)
    curves = []
    for split in prepared.splits:
        network = task.network(network_params(task, params))
        optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), lr=recipe.lr)
        weights = [p for p in network.parameters() if p.ndim > 1]
        rows, held = torch.from_numpy(split.train), torch.from_numpy(split.validation)
        curve = []
        for _ in range(prepared.study.task_options.epochs):
            for batch in rows[torch.randperm(len(rows))].split(int(recipe.batch_size)):
                optimizer.zero_grad()
                loss = task.loss(network(inputs[batch]), targets[batch]).mean()
                (loss + recipe.l2 * sum(w.square().sum() for w in weights)).backward()
                optimizer.step()
            with torch.no_grad():
                curve.append(float(task.loss(network(inputs[held]), targets[held]).mean()))
        curves.append(curve)
    return float(np.nan_to_num(np.mean(curves, axis=0), nan=np.inf).min())


def with_tunefleet(prepared: Prepared, trials: int) -> float:
    """Our search; the refit is left out, as the peers have none."""
    with searched(prepared, "ray_tune") as (database, _):
        return min(t.value for t in database.trials() if t.value is not None)


def with_ray_tune(prepared: Prepared, trials: int) -> float:
    """Ray Tune as it ships: one actor per trial."""
    d = prepared.study.search_space.by_name
    space = {
        name: tune.choice(list(cast(CategoricalDistribution, d[name].distribution).choices))
        for name in ("optimizer", "batch_size", "activation")
    } | {
        "lr": tune.loguniform(1e-4, 1e-1),
        "l2": tune.loguniform(1e-5, 1e-1),
    }

    def trial(config: dict[str, Any], prepared: Prepared) -> None:
        tune.report({"value": train(prepared, config)})

    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_parameters(trial, prepared=prepared),
            param_space=space,
            tune_config=tune.TuneConfig(num_samples=trials),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        grid = tuner.fit()
        return float(min(m["value"] for m in (grid[i].metrics for i in range(len(grid))) if m))


def with_optuna(prepared: Prepared, trials: int) -> float:
    """Optuna in two processes' worth of workers: one Ray task per core, one in-memory study each."""
    workers = int(ray.cluster_resources()["CPU"])

    @ray.remote(num_cpus=1)
    def optimize(seed: int) -> float:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        study.optimize(lambda t: train(prepared, prepared.study.search_space.suggest(t)), n_trials=trials // workers)
        return study.best_value

    return float(min(ray.get([optimize.remote(seed) for seed in range(workers)])))


METHODS: dict[str, tuple[Callable[[Prepared, int], float], int]] = {
    "tunefleet": (with_tunefleet, 300),
    "Ray Tune, an actor per trial": (with_ray_tune, 16),
    "Optuna, a process per core": (with_optuna, 16),
}


def main(runs: int) -> None:
    """Run every method ``runs`` times, in turn, and write the table."""
    for _ in range(runs):
        run = uuid.uuid4().hex[:8]
        for method, (search_with, trials) in METHODS.items():
            prepared = prepare(Study.load(PROBLEM, {"search.trials": trials}))
            with ray_session("local"):
                started = time.perf_counter()
                best = search_with(prepared, trials)
                seconds = time.perf_counter() - started
            about = "The study regression_random: 1-10-20-10-1, 5 folds, 150 epochs, generated points; search only."
            records.append(
                {
                    "problem": PROBLEM,
                    "about": about,
                    "run": run,
                    "method": method,
                    "trials": trials,
                    "seconds": round(seconds, 3),
                    "best": round(best, 5),
                }
            )
            sys.stdout.write(f"{method}: {seconds / trials:.3f} s per trial, best {best:.4f}\n")
    records.write_results()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
