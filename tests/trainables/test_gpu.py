"""The same training on a GPU: batches and dropout are the same bits, values the same but for rounding."""

from __future__ import annotations

import pytest
import torch

from search_spaces.study.sections import TaskOptions
from trainables.cohort import Cohort
from trainables.data.batches import Data, MemberRows
from trainables.data.folds import search_splits
from trainables.layers.keyed import MemberDropout
from trainables.plan import Plan
from trainables.stack.fused import Fused
from trainables.tasks import make_task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

TRIALS = [(n, {"optimizer": o, "lr": 0.01, "dropout": 0.2}) for n, o in enumerate(("sgd", "adam", "radam", "rmsprop"))]


def curves(device: str) -> dict[int, list[float]]:
    task = make_task("digits", {})
    dataset = task.load(None)
    plan = Plan(search_splits(dataset, TaskOptions(folds=3)), 3, key=0)
    cohort = Cohort(task, Data.on(torch.device(device), *dataset.all_rows), plan, TRIALS)
    found: dict[int, list[float]] = {number: [] for number, _ in TRIALS}
    while cohort.live:
        for number, epoch in cohort.advance().items():
            found[number].append(epoch.value)
    assert cohort._stack.strategy.name == Fused.name
    return found


def test_curves_equal_those_of_the_cpu() -> None:
    cpu, gpu = curves("cpu"), curves("cuda")
    for number, values in cpu.items():
        assert gpu[number] == pytest.approx(values, rel=1e-2)
        assert gpu[number][0] == pytest.approx(values[0], rel=1e-3)


def test_batches_and_masks_are_the_same_bits() -> None:
    rows = [torch.arange(17).numpy(), torch.arange(23).numpy()]
    keys = torch.tensor([3, -5])
    batches = {
        d: list(MemberRows(rows, torch.device(d)).batches(5, keys.to(d), 2, torch.float32)) for d in ("cpu", "cuda")
    }
    for here, there in zip(batches["cpu"], batches["cuda"], strict=True):
        assert torch.equal(here.rows, there.rows.cpu()) and torch.equal(here.keys, there.keys.cpu())
    layer = MemberDropout(0.3, place=1)
    layer.key = keys[0]
    here = layer(torch.ones(8, 8))
    assert torch.equal(here, layer.to("cuda")(torch.ones(8, 8, device="cuda")).cpu())
