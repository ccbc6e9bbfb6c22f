"""Data are joined once: preparing a study takes little more memory than its data."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.prepared import prepare
from search_spaces.study.study import Study
from trainables.data.dataset import Dataset
from trainables.tasks.digits import Digits

ROWS = 20_000


class Large(Digits):
    """As many rows as asked for, made before memory is counted."""

    def __init__(self, validation: bool = False) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(ROWS, 64)).astype(np.float32)
        self.y = rng.integers(10, size=ROWS)
        self.own = validation

    def load(self, data_dir: Path | None) -> Dataset:
        half = ROWS // 2
        if not self.own:
            return Dataset(self.x, self.y)
        return Dataset(self.x[:half], self.y[:half], validation=(self.x[half:], self.y[half:]))


@pytest.mark.parametrize(("validation", "most"), [(False, 0.6), (True, 1.6)])  # row numbers, and the join
@pytest.mark.parametrize("options", [{"folds": 5, "subset": 5000}, {"subset": 5000}])
def test_preparing_a_study_copies_its_data_at_most_once(validation: bool, most: float, options: dict[str, Any]) -> None:
    task = Large(validation)
    study = Study(task=Digits(), space={"width": [4]}, task_options=options)
    tracemalloc.start()
    prepared = prepare(study, task)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < most * (task.x.nbytes + task.y.nbytes)
    assert np.shares_memory(prepared.dataset.inputs, prepared.dataset.all_rows[0])
    assert np.shares_memory(prepared.dataset.inputs, task.x) != validation


def test_a_mapped_file_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1000, 8), np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    dataset = Dataset(mapped, np.arange(1000))
    assert np.shares_memory(dataset.inputs, mapped)
