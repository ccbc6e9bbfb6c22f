"""Checkpoints are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_spaces.errors import OutputError
from search_spaces.trials.checkpoints import Checkpoints, Saved

SAVED = Saved(7, (3, 5), b"\n\x00state\n" * 100)


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "new")
    assert checkpoints.read(3) is None
    checkpoints.save(3, Saved(1, (3,), b"earlier"))
    checkpoints.save(3, SAVED)
    assert checkpoints.read(3) == SAVED
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["3.pt"]


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_what_is_torn_is_no_checkpoint(tmp_path: Path, cut: int) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, SAVED)
    whole = (tmp_path / "3.pt").read_bytes()
    (tmp_path / "3.pt").write_bytes(whole[:cut])
    assert checkpoints.read(3) is None


@pytest.mark.parametrize(
    "content", [b"no checkpoint", b"3\nx", b'{"epoch": 1}\nx', b'{"epoch": [], "trials": 3}\n', b"\xff"]
)
def test_other_content_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "3.pt").write_bytes(content)
    assert Checkpoints(tmp_path).read(3) is None


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, SAVED)
    whole = bytearray((tmp_path / "3.pt").read_bytes())
    whole[-9] ^= 1
    (tmp_path / "3.pt").write_bytes(bytes(whole))
    assert checkpoints.read(3) is None


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"file/3\.pt: cannot be written, (Not a directory|File exists)$"):
        Checkpoints(tmp_path / "file").save(3, SAVED)


def test_remove(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, SAVED)
    for _ in range(2):
        checkpoints.remove(3)
    assert not list(tmp_path.iterdir())
