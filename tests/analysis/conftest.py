"""Three small studies, each run once."""

from __future__ import annotations

import pytest

from analysis.result import StudyResult
from tests.analysis.studies import digits, regression, run_study, spirals


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
