"""What all tests share: one CPU thread, real data where it is, a Ray that is started once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

DATA = "TUNEFLEET_DATA"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """As a worker with one CPU has it: on networks this small more threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that need it skip where there is none."""
    folder = Path(os.environ.get(DATA, Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data: set {DATA} to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a little data for every task, in the formats of the real data."""
    from tests.trainables.data_files import write_tiny_data

    return write_tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray on this machine for all tests that run studies in this process; at the end all its CPUs are free."""
    import ray

    from cluster.engines.ray_session import ray_session

    with ray_session("local"):
        yield
        deadline = time.monotonic() + 30
        while (free := ray.available_resources().get("CPU", 0)) < (total := ray.cluster_resources()["CPU"]):
            assert time.monotonic() < deadline, f"studies have ended, but only {free:g} of {total:g} CPUs are free"
            time.sleep(0.5)
