"""Three small studies, each run once, and one CPU thread to run them on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from analysis.result import StudyResult
from tests.analysis.studies import digits, regression, run_study, spirals


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As a worker with one CPU has it: two threads on a busy machine are fifty times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits_study(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """Five trials of digits, some pruned, refitted with three seeds."""
    return run_study(tmp_path_factory.mktemp("studies") / "digits", digits())


@pytest.fixture(scope="session")
def spirals_study(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """One trial of spirals, refitted with two seeds."""
    return run_study(tmp_path_factory.mktemp("studies") / "spirals", spirals())


@pytest.fixture(scope="session")
def regression_study(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """Three trials of regression, refitted with three seeds on all rows."""
    return run_study(tmp_path_factory.mktemp("studies") / "regression", regression())
