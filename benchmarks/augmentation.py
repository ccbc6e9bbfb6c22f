"""What augmentation costs: an epoch of augmented FashionMNIST against bare steps on one batch, and against a DataLoader.

Run it with ``.venv/bin/python -m benchmarks.augmentation --data DIR [ROUNDS]`` from the repository's root. All of them
train the convolutional network of ``fashion_mnist_augmented`` for the same number of steps, in turn, on one thread (one
GPU, where there is one). The DataLoader transforms image by image, as most training scripts do.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks import records
from trainables.cohort import Cohort
from trainables.data.batches import Data
from trainables.data.folds import Split
from trainables.plan import Plan
from trainables.recipe import Recipe, network_params
from trainables.shape import build
from trainables.stack.loop import Loop
from trainables.stack.members import Members
from trainables.stack.stack import Stack
from trainables.tasks import make_task

PROBLEM = "augmentation"
BATCH, STEPS = 128, 60
AUGMENT = {"rotation": 10, "flip": 0.5, "crop": 2, "erase": 0.5}
PARAMS: dict[str, Any] = {"batch_size": BATCH, "lr": 1e-3, "dropout": 0.3, "conv_dropout": 0.1}
LOADER_WORKERS = 2
TASK = make_task("fashion_mnist", {})

Timed = Callable[[], float]


def epoch_of(data: Data, params: dict[str, Any]) -> Timed:
    """Seconds of one epoch of a cohort."""
    rows = np.arange(BATCH * STEPS)
    cohort = Cohort(TASK, data, Plan([Split(rows, np.arange(0))], epochs=10**6, key=0), [(0, params)])
    return lambda: _timed(cohort.advance, data.inputs.device)


def fixed_batch(data: Data) -> Timed:
    """Seconds of as many steps on one batch, without augmentation."""
    device = data.inputs.device
    network = build(TASK, network_params(TASK, PARAMS), key=0)
    members = Members.of([network], [Recipe.of(PARAMS)], device)
    stack = Stack(members, Loop(TASK, [network], members), epochs=1)
    x, y = data.inputs[None, :BATCH], data.targets[None, :BATCH]
    shares, keys = torch.full((1, BATCH), 1 / BATCH, device=device), torch.zeros(1, dtype=torch.int64, device=device)

    def steps() -> None:
        for _ in range(STEPS):
            stack.step(x, y, shares, keys)

    return lambda: _timed(steps, device)


class _Images(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets
        self.transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(AUGMENT["flip"]),
                v2.RandomCrop(28, padding=int(AUGMENT["crop"])),
                v2.RandomRotation(AUGMENT["rotation"], interpolation=v2.InterpolationMode.BILINEAR),
                v2.ToDtype(torch.float32, scale=True),
                v2.RandomErasing(AUGMENT["erase"]),
            ]
        )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.inputs[row]), self.targets[row]


def loader(data: Data, workers: int) -> Timed:
    """Seconds of one epoch of an ordinary PyTorch loop over a DataLoader, its worker processes started before."""
    device = data.inputs.device
    network = TASK.network(network_params(TASK, PARAMS)).to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    images = _Images(data.inputs[: BATCH * STEPS].cpu(), data.targets[: BATCH * STEPS].cpu())
    batches = torch.utils.data.DataLoader(
        images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )

    def epoch() -> None:
        for x, y in batches:
            optimizer.zero_grad()
            TASK.loss(network(x.to(device)), y.to(device)).mean().backward()
            optimizer.step()

    return lambda: _timed(epoch, device)


def _timed(call: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Time every method ``rounds`` times, in turn, and write the table."""
    parser = argparse.ArgumentParser(description="What augmentation costs.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data sets")
    parser.add_argument("rounds", nargs="?", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dataset = TASK.load(options.data)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = Data.on(device, dataset.inputs, dataset.targets)
    methods: dict[str, Timed] = {
        "steps on one fixed batch": fixed_batch(data),
        "an epoch": epoch_of(data, PARAMS),
        "an epoch, augmented": epoch_of(data, PARAMS | AUGMENT),
        "DataLoader, transforms image by image": loader(data, 0),
        f"DataLoader with {LOADER_WORKERS} worker processes": loader(data, LOADER_WORKERS),
    }
    for timed in methods.values():
        timed()
    run = uuid.uuid4().hex[:8]
    for _ in range(options.rounds):
        for method, timed in methods.items():
            seconds = round(timed(), 4)
            records.append({"problem": PROBLEM, "run": run, "method": method, "steps": STEPS, "seconds": seconds})
            sys.stdout.write(f"{method}: {1000 * seconds / STEPS:.2f} ms per step\n")
    records.write_results()


if __name__ == "__main__":
    main()
