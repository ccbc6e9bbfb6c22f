"""optuna-dashboard, a real one, opens a study's journal."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.runner import run
from tests.cluster.study_files import digits_study

PROGRAM = Path(sys.executable).with_name("optuna-dashboard")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Any]:
    result = run(digits_study({"trials": 3}), out=tmp_path / "small")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [PROGRAM, result.dir.journal, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def get(path: str) -> Any:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                    return json.load(answer)
            except ConnectionError:
                time.sleep(0.1)
            except urllib.error.URLError:
                time.sleep(0.1)
        raise TimeoutError("the dashboard never answered")

    yield get
    server.terminate()
    server.wait()


@pytest.mark.slow
def test_optuna_dashboard_shows_every_trial(api: Any) -> None:
    (listed,) = api("/api/studies")["study_summaries"]
    assert listed["study_name"] == "small"
    trials = api(f"/api/studies/{listed['study_id']}")["trials"]
    assert [t["state"] for t in trials] == ["Complete"] * 3
    assert all(t["intermediate_values"] and t["params"] for t in trials)
