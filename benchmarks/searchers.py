"""Which searcher finds more in the same number of epochs: on three functions with known optima, and on ``digits``.

Run it with ``.venv/bin/python -m benchmarks.searchers [functions] [digits] [peer] [--seeds FIRST LAST]`` from the
repository's root. What is in ``records.jsonl`` already is skipped, unless its settings have changed; ``--again METHOD``,
for one whose code has changed, measures it once more. Trials are proposed by the study's own proposer and trained as
cohorts, in this process; ``peer`` runs whole searches on Ray, and Ray Tune's own beside them. ``gp`` is left out: its
200 proposals take a minute, 60 times as long as all others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import optuna
import torch

from benchmarks import records
from benchmarks.problems import FUNCTIONS, Function
from benchmarks.ray_peer import optuna_search_and_asha
from benchmarks.search_alone import searched
from cluster.engines.ray_session import ray_session
from cluster.prepared import prepare
from search_spaces.study.study import Study, shipped_studies
from search_spaces.study.yaml_file import read_yaml

PROBLEM = records.SEARCHERS
WORKERS = 2
"""As many as two cores give a study, so that samplers which learn have as many trials pending."""
EVALUATIONS = 200
POPULATION = 20
"""Ten generations; the default of 30 would leave a genetic search six."""

Settings = dict[str, Any]

ON_FUNCTIONS: dict[str, Settings] = {
    "random": {"sampler": "random"},
    "qmc": {"sampler": "qmc"},
    "tpe": {"sampler": "tpe"},
    "genetic": {"sampler": "genetic", "options": {"population": POPULATION}},
    "cmaes": {"sampler": "cmaes"},
    "pbt": {"pbt": {"population": POPULATION, "quantile": 0.5, "resample_probability": 0.1}},
}
"""The search section of each method. Where a member of a population stays as it is, the same point is evaluated again, so
that only the largest quantile makes half of the epochs new points."""

NUMBERS_ONLY = {"cmaes"}
"""Where there is anything else, these draw at random."""

TRIALS, EPOCHS = 40, 27
MORE = 3
"""With early stopping random search gets so many times the trials, which together take fewer epochs still."""

ASHA: Settings = {"early_stopping.asha.grace_period": 1, "early_stopping.asha.reduction_factor": 3}
ON_DIGITS: dict[str, Settings] = {
    "random": {"search.sampler": "random"},
    "tpe": {"search.sampler": "tpe"},
    "genetic": {"search.sampler": "genetic", "search.options.population": 10},
    "random + asha": {"search.sampler": "random", "search.trials": MORE * TRIALS, **ASHA},
}
"""What each method changes in the shipped study; its own early stopping is taken out first."""

BESIDE_PEER = "tpe + asha"
"""Ours on Ray, to be compared with Ray Tune's own."""

ONE_NETWORK: Settings = {
    "space": {
        "depth": 2,
        "width": 128,
        "activation": "relu",
        "optimizer": "adam",
        "batch_size": 32,
        "schedule": "cosine",
        "lr": {"low": 1e-4, "high": 1e-1, "log": True},
        "weight_decay": {"low": 1e-6, "high": 1e-2, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
    }
}
"""The space of ``digits`` as far as a population can share it: what changes the network itself is fixed."""

ON_ONE_NETWORK: dict[str, Settings] = {
    "random, one network": {"search.sampler": "random", **ONE_NETWORK},
    "pbt, one network": {"search.pbt.population": POPULATION, "search.pbt.interval": 3, **ONE_NETWORK},
}


FOLDS: Settings = {"task_options.folds": 4}
"""Values at an epoch are means over so many networks, and rungs rank trials by them."""

ON_TASKS: dict[str, dict[str, Settings]] = {
    "digits": ON_DIGITS | ON_ONE_NETWORK,
    "digits, 4 folds": {method: {**ON_DIGITS[method], **FOLDS} for method in ("random", "random + asha")},
}


def on_function(name: str, method: str, seed: int) -> dict[str, Any]:
    """One search of a function: the true value at the point that looked best, above the optimum."""
    task = FUNCTIONS[name]()
    study = _function_study(name, task, method, seed)
    with searched(prepare(study, task)) as (database, progress):
        best = min((t for t in database.trials() if t.value is not None), key=lambda t: t.value or 0.0)
    return {"epochs": progress.epochs, "value": best.user_attrs["truth"] - task.optimum}


def _function_study(name: str, task: Function, method: str, seed: int) -> Study:
    settings, space, trials = ON_FUNCTIONS[method], task.space, EVALUATIONS
    if "pbt" in settings:  # takes no conditions; the function ignores what is not active
        space = {n: {k: v for k, v in s.items() if k != "when"} if isinstance(s, dict) else s for n, s in space.items()}
        trials = settings["pbt"]["population"]
    return Study(
        name=name,
        task=f"benchmarks.problems:{type(task).__name__}",
        task_options={"epochs": EVALUATIONS // trials},
        space=space,
        search={**_pending(settings.get("sampler")), **settings, "trials": trials, "seed": seed},
    )


def _digits(settings: Mapping[str, Any], seed: int) -> Study:
    sizes = {"task_options.epochs": EPOCHS, "search.trials": TRIALS, "search.seed": seed, "early_stopping": {}}
    pending = {f"search.{key}": value for key, value in _pending(settings.get("search.sampler")).items()}
    return Study.load("digits", {"search.sampler": "random", **pending, **sizes, **settings})


def _pending(sampler: str | None) -> Settings:
    """As two workers give it to samplers that learn, also where one worker searches."""
    return {"concurrency": 2 * WORKERS} if sampler in {"tpe", "cmaes"} else {}


def on_digits(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One search of ``digits``."""
    return _searched(_digits(settings, seed), "inline")


def on_ray(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One search of ``digits`` as every study is run; needs a connection to Ray."""
    return _searched(_digits(settings, seed), "ray_tune")


def _searched(study: Study, engine: str) -> dict[str, Any]:
    with searched(prepare(study), engine) as (_, progress):
        return {
            "trials": study.trials,
            "epochs": progress.epochs,
            "value": progress.steps[-1][1],
            "steps": [(epochs, round(value, 6)) for epochs, value in progress.steps],
        }


def peer_on_digits(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The same with what Ray Tune has of its own; needs a connection to Ray."""
    return optuna_search_and_asha(prepare(_digits(settings, seed)), WORKERS)


def record(
    task: str, method: str, settings: object, seed: int, again: bool, measure: Callable[[], dict[str, Any]]
) -> None:
    """Measure and append, unless a record with these settings is there and is not to be made ``again``."""
    about = {"problem": PROBLEM, "task": task, "method": method, "seed": seed}
    digest = hashlib.sha256(json.dumps([about, settings], sort_keys=True).encode()).hexdigest()[:12]
    if not again and any(r.get("digest") == digest for r in records.read()):
        return
    started = time.perf_counter()
    measured = {"seconds": 0.0} | measure()
    measured["seconds"] = measured["seconds"] or round(time.perf_counter() - started, 2)
    records.append({**about, "digest": digest, **measured})
    sys.stdout.write(f"{task}, {method}, seed {seed}: {measured['value']:.4g}, {measured['epochs']} epochs, ")
    sys.stdout.write(f"{measured['seconds']:.1f} s\n")
    sys.stdout.flush()


def functions(seeds: range, again: list[str]) -> None:
    """Every method on every function, seed by seed."""
    for seed in seeds:
        for name, kind in FUNCTIONS.items():
            for method, settings in ON_FUNCTIONS.items():
                if method in NUMBERS_ONLY and not kind.numbers_only:
                    continue
                said = [settings, EVALUATIONS, WORKERS, kind.space, kind.noise]
                record(name, method, said, seed, method in again, lambda n=name, m=method, s=seed: on_function(n, m, s))  # type: ignore[misc]


def digits(seeds: range, again: list[str]) -> None:
    """Every method on ``digits``, seed by seed."""
    cases = [(task, *case) for task, methods in ON_TASKS.items() for case in methods.items()]
    for seed in seeds:
        for task, method, settings in cases:
            said = [settings, TRIALS, EPOCHS, _space()]
            record(task, method, said, seed, method in again, lambda o=settings, s=seed: on_digits(o, s))  # type: ignore[misc]


def peer(seeds: range, again: list[str]) -> None:
    """TPE with ASHA on Ray: ours and Ray Tune's own in turn, seed by seed."""
    methods: dict[str, Callable[[Mapping[str, Any], int], dict[str, Any]]] = {
        BESIDE_PEER: on_ray,
        records.PEER: peer_on_digits,
    }
    settings = {"search.sampler": "tpe", **ASHA}
    with ray_session("local"):
        for seed in seeds:
            for method, run in methods.items():
                said = [settings, TRIALS, EPOCHS, _space()]
                record("digits", method, said, seed, method in again, lambda f=run, s=seed: f(settings, s))  # type: ignore[misc]


def _space() -> Any:
    return read_yaml(shipped_studies()["digits"])["space"]


PARTS: dict[str, tuple[Callable[[range, list[str]], None], int]] = {
    "functions": (functions, 20),
    "digits": (digits, 10),
    "peer": (peer, 3),
}
"""Each with its number of seeds."""


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description="Compare searchers.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "LAST"), help="only these")
    parser.add_argument("--again", action="append", default=[], metavar="METHOD", help="measure it once more")
    options = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in options.parts or PARTS:
        run, count = PARTS[name]
        run(range(options.seeds[0], options.seeds[1] + 1) if options.seeds else range(count), options.again)
        records.write_results()


if __name__ == "__main__":
    main()
