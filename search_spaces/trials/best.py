"""The folder ``best`` of a study: what the refit of the best configuration leaves there, and its metrics read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from search_spaces.study.yaml_file import dump_yaml
from search_spaces.trials.study_dir import StudyDir

Metrics = Mapping[str, float]

MEASURED = ("validation", "test", "kfold")
"""What the refit is measured by: its held-out rows, the test split, and its cross-validation. Each may be empty."""


def write_best(folder: StudyDir, params: Mapping[str, Any], save: Callable[[Path], object]) -> None:
    """Write the configuration and the refitted networks; ``save`` writes the networks to the path that it is given."""
    folder.write_text(folder.best_params, dump_yaml(dict(params)))
    with folder.replacing(folder.best_model) as aside:
        save(aside)


def write_metrics(folder: StudyDir, validation: Metrics, test: Metrics, kfold: Metrics | None = None) -> None:
    """Write the refit's metrics, and those of its cross-validation; the last file of a finished study."""
    metrics = dict(zip(MEASURED, map(dict, (validation, test, kfold or {})), strict=True))
    folder.write_text(folder.best_metrics, json.dumps(metrics, indent=2))


def read_metrics(folder: StudyDir) -> dict[str, dict[str, float]] | None:
    """The refit's metrics by what they were measured on, see ``MEASURED``; None before the refit."""
    if not folder.best_metrics.is_file():
        return None
    metrics = json.loads(folder.best_metrics.read_text(encoding="utf-8"))
    return {split: metrics.get(split, {}) for split in MEASURED}
