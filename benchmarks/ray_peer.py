"""Ray Tune as it ships, beside ours: ``OptunaSearch`` proposes, ``ASHAScheduler`` stops, an actor trains each trial."""

from __future__ import annotations

import math
import tempfile
import time
from typing import Any

import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from cluster.prepared import Prepared
from trainables.recipe import Recipe, network_params

OPTIMIZERS: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def train(config: dict[str, Any], prepared: Prepared) -> None:
    """One trial as people write it, on the study's own split: reports the validation loss after every epoch."""
    torch.set_num_threads(1)
    task, recipe, epochs = prepared.task, Recipe.of(config), prepared.study.task_options.epochs
    inputs, targets = (torch.tensor(rows) for rows in prepared.dataset.all_rows)
    rows, held = (torch.from_numpy(r) for r in (prepared.splits[0].train, prepared.splits[0].validation))
    network = task.network(network_params(task, config))
    more = {"momentum": recipe.momentum} if recipe.optimizer == "sgd" else {}
    optimizer = OPTIMIZERS[recipe.optimizer](
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, **more
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    best = math.inf
    for _ in range(epochs):
        network.train()
        for batch in rows[torch.randperm(len(rows))].split(int(recipe.batch_size)):
            optimizer.zero_grad()
            task.loss(network(inputs[batch]), targets[batch]).mean().backward()
            optimizer.step()
        schedule.step()
        with torch.no_grad():
            loss = float(task.loss(network.eval()(inputs[held]), targets[held]).mean())
        best = min(best, loss)  # of NaN and a number min keeps the first
        tune.report({"loss": loss if math.isfinite(loss) else 1e9, "best": best})


def optuna_search_and_asha(prepared: Prepared, workers: int) -> dict[str, Any]:
    """Search with as many trials, the same space, seed and rungs as the study; needs a connection to Ray.

    The value is the best of any trial in any epoch, of those that were stopped as well.
    """
    study, asha = prepared.study, prepared.study.early_stopping.asha
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_parameters(train, prepared=prepared),
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                search_alg=OptunaSearch(study.search_space.suggest, metric="loss", mode="min", seed=study.search.seed),
                scheduler=ASHAScheduler(max_t=study.task_options.epochs, **(asha.model_dump() if asha else {})),
                num_samples=study.trials,
                max_concurrent_trials=workers,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        grid = tuner.fit()
        ended = [m for m in (grid[i].metrics for i in range(len(grid))) if m]
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "trials": len(ended),
        "epochs": sum(m["training_iteration"] for m in ended),
        "value": min(m["best"] for m in ended),
    }
