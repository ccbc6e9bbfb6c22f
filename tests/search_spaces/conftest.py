"""Optuna announces every study that it creates; not here."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest


@pytest.fixture(scope="session", autouse=True)
def quiet_optuna() -> Iterator[None]:
    """Warnings only."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)
