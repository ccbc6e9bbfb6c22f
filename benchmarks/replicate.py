"""The five reports again: every shipped study that follows one, and how its figure compares.

Run it with ``.venv/bin/python -m benchmarks.replicate --data DIR [STUDY ...]`` from the repository's root. Each study is
run as it is shipped, or in the profile that the table names. Rows that are in ``records.jsonl`` already are skipped, unless the study's file has changed since; one
that was interrupted goes on where it was. All of them take some hours on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.result import StudyResult
from benchmarks import records
from cluster.runner import resume, run
from search_spaces.study.study import Study, shipped_studies
from search_spaces.study.yaml_file import read_yaml
from trainables.data.dataset import Dataset
from trainables.refit import evaluate

PROBLEM = "replication"
RESULTS = Path("results") / "replicate"


@dataclass(frozen=True)
class Row:
    """One study of the table.

    Args:
        study: its name.
        figure: what the report gives: a metric of the test split, or ``kfold_best`` of the best trial.
        reported: its value there.
        better: whether small or large values are good.
        variants: overrides of several runs whose figures are averaged; one run without any by default.
        profile: of the study, where the whole of it is not to be run.
        beside: further figures of the task's data, measured in the same run.
    """

    study: str
    figure: str
    reported: float
    better: str = "max"
    variants: tuple[Mapping[str, Any], ...] = ({},)
    profile: str | None = None
    beside: Callable[[Dataset], dict[str, float]] = field(default=lambda dataset: {})


def gradient_boosting(dataset: Dataset) -> dict[str, float]:
    """Test RMSE of scikit-learn's gradient boosting: fitted on the training rows, and on these and the validation rows."""
    from sklearn.ensemble import GradientBoostingRegressor

    test, validation = dataset.read_test(), dataset.validation
    if test is None or validation is None:
        return {}
    every = [np.concatenate(pair) for pair in zip((dataset.inputs, dataset.targets), validation, strict=True)]
    rmse = {}
    for name, (x, y) in {"training rows": (dataset.inputs, dataset.targets), "all rows": every}.items():
        fitted = GradientBoostingRegressor(random_state=0).fit(x, y[:, 0])
        error = fitted.predict(test[0]) - test[1][:, 0]
        rmse[f"gradient boosting, {name}"] = float(np.sqrt(np.mean(error**2)))
    return rmse


SPLITS = tuple({"task_options.split": split} for split in range(5))

ROWS = (
    Row("spirals", "accuracy", 1.0),
    Row("regression_random", "loss", 0.112, "min"),
    Row("regression_sgd", "loss", 0.097, "min"),
    Row("regression_optuna_one_layers", "kfold_best", 0.28, "min"),
    Row("regression_optuna_one_layers_early_stopping", "kfold_best", 0.3704, "min"),
    Row("regression_optuna_two_layers", "kfold_best", 0.252, "min"),
    Row("regression_optuna_two_layers_early_stopping", "kfold_best", 0.2516, "min"),
    Row("house_prices", "rmse", 30_000, "min", SPLITS, beside=gradient_boosting),
    Row("house_prices_grid", "rmse", 30_000, "min"),
    Row("house_prices_gaussian", "rmse", 30_000, "min", SPLITS, beside=gradient_boosting),
    Row("usps", "accuracy", 0.9646),
    Row("colored_usps", "digit_accuracy", 0.9527),
    Row("mnist_random_mlp", "accuracy", 0.979),
    Row("mnist_genetic", "accuracy", 0.9917, profile="short"),
    Row("fashion_mnist_mlp", "accuracy", 0.854),
    Row("fashion_mnist_random", "accuracy", 0.92),
    Row("fashion_mnist_optuna_dropout", "accuracy", 0.906),
    Row("fashion_mnist_optuna_l2", "accuracy", 0.908),
    Row("fashion_mnist_augmented", "accuracy", 0.913),
)


def replicate(row: Row, variant: Mapping[str, Any], data: Path) -> None:
    """Run one study, unless its record is there, and append it."""
    study = Study.load(row.study, variant, row.profile)
    digest = _digest(row, variant)
    if any(r.get("digest") == digest for r in records.read() if r["problem"] == PROBLEM):
        sys.stdout.write(f"{row.study} {dict(variant)}: done before\n")
        return
    sys.stdout.write(f"{row.study} {dict(variant)}: running\n")
    sys.stdout.flush()
    folder = RESULTS / f"{row.study}-{digest}"
    started = time.perf_counter()
    unfinished = (folder / "study.yaml").exists()
    result = resume(folder, data=data) if unfinished else run(study, out=folder, data=data)
    seconds = time.perf_counter() - started
    figures = _figures(row, result)
    records.append(
        {
            "problem": PROBLEM,
            "study": row.study,
            "variant": dict(variant),
            "profile": row.profile,
            "digest": digest,
            "seed": study.search.seed,
            "figure": row.figure,
            "reported": row.reported,
            "better": row.better,
            "figures": figures,
            "metrics": {"best": result.best.metrics, **result.summary()["refit"]},
            "value": result.best.value,
            "params": result.best.params,
            "trials": len(result.trials),
            "epochs": int(result.trials["epochs"].sum()),
            "members": study.task_options.folds * study.task_options.repeats,
            "refit": {"seeds": len(result.refit.networks), "epochs": len(result.history)},
            "seconds": None if unfinished else round(seconds, 1),
            "beside": row.beside(result.dataset),
        }
    )
    shutil.rmtree(folder)


def _digest(row: Row, variant: Mapping[str, Any]) -> str:
    """Of what a study file says, its comments and other profiles aside."""
    said = read_yaml(shipped_studies()[row.study])
    profile = said.pop("profiles", {}).get(row.profile)
    parts = [said, dict(variant), *([profile] if profile else [])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _figures(row: Row, result: StudyResult) -> list[float]:
    """The row's figure: one per refitted network, or of the best trial."""
    if row.figure in result.best.metrics and row.figure == "kfold_best":
        return [result.best.metrics[row.figure]]
    test = result.dataset.read_test()
    if test is None:
        return []
    inputs, targets = (torch.from_numpy(a) for a in test)
    return [evaluate(result.task, [network], inputs, targets)[row.figure] for network in result.refit.networks]


def main() -> None:
    """Run the rows that are missing, and write the table after each."""
    parser = argparse.ArgumentParser(description="Run the studies of the five reports.")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the real data sets; a copy, for readers unpack into it"
    )
    parser.add_argument("studies", nargs="*", help="only these")
    options = parser.parse_args()
    for row in ROWS:
        if not options.studies or row.study in options.studies:
            for variant in row.variants:
                replicate(row, variant, options.data)
                records.write_results()


if __name__ == "__main__":
    main()
