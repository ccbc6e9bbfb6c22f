"""What tests of readers share: no network beyond this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainables.data_files import publish


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The only server, a port that refuses connections, and a cache of this test's own."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        publish(monkeypatch, url)
        monkeypatch.setattr("sklearn.datasets._openml._SEARCH_NAME", url + "{}")
        yield url
