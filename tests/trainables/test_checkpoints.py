"""Checkpoints are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from search_spaces.trials.checkpoints import load_checkpoint, remove_checkpoint, save_checkpoints
from tests.trainables.builders import Curve, cohort, curves, run


def test_a_trial_goes_on_from_its_file(tmp_path: Path) -> None:
    trials = {0: {"lr": 0.02, "dropout": 0.2}, 1: {"optimizer": "sgd"}}
    whole, first = run(cohort(Curve(), trials)), cohort(Curve(), trials)
    first.advance()
    save_checkpoints(tmp_path / "new", dict.fromkeys(trials, first.state()))
    for number in trials:
        saved = load_checkpoint(tmp_path / "new", number)
        assert curves(run(cohort(Curve(), trials, saved=saved))) == curves(whole)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["0.pt", "1.pt"]


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_what_cannot_be_read_is_no_checkpoint(damage: bytes | None, tmp_path: Path) -> None:
    save_checkpoints(tmp_path, {3: {"epoch": 1, "members": {}, "runs": {}}})
    assert load_checkpoint(tmp_path, 3) is not None
    whole = (tmp_path / "3.pt").read_bytes()
    (tmp_path / "3.pt").write_bytes(whole[:-50] if damage is None else damage)
    assert load_checkpoint(tmp_path, 3) is None


def test_other_content_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"epoch": 1}, tmp_path / "3.pt")
    assert load_checkpoint(tmp_path, 3) is None
    assert load_checkpoint(tmp_path, 4) is None


def test_remove(tmp_path: Path) -> None:
    save_checkpoints(tmp_path, {3: {"epoch": 1, "members": {}, "runs": {}}})
    for _ in range(2):
        remove_checkpoint(tmp_path, 3)
    assert not list(tmp_path.iterdir())
