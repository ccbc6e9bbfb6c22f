"""Tiny data sets in the formats of the real ones, easy to learn."""

from __future__ import annotations

import bz2
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torchvision import datasets

from search_spaces.errors import DataError
from trainables.data.dataset import Array, Pair

FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
ROWS, TEST_ROWS, HOUSES = 200, 50, 1260


IMAGES = np.arange(3 * 784).reshape(3, 28, 28) % 251
LABELS = np.array([7, 0, 9])


def write(folder: Path, files: dict[str, bytes | None]) -> Path:
    """Write files; None stands for a missing one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def idx(array: Array, kind: int = 8) -> bytes:
    """An IDX file of bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def usps_line(label: object = 7, pixels: int = 256, **replace: str) -> str:
    """One line of a USPS file; ``p3="x"`` replaces the third cell."""
    cells = [f"{i}:{i / 128 - 1:.6f}" for i in range(1, pixels + 1)]
    return " ".join([str(label), *(replace.get(f"p{i}", cell) for i, cell in enumerate(cells, start=1))])


def usps_file(*lines: str, rows: int = 3) -> bytes:
    """A USPS file of these lines, or of so many good ones."""
    return bz2.compress("".join(f"{line} \n" for line in lines or [usps_line(i + 1) for i in range(rows)]).encode())


def pictures(side: int, rows: int, seed: int) -> Pair:
    """Images (N, side, side), each class a pattern of its own below noise, and labels (N,)."""
    patterns = np.random.default_rng(0).integers(0, 2, (10, 4, 4))
    labels = np.arange(rows) % 10
    shapes = np.kron(patterns, np.ones((side // 4, side // 4), int))
    return 150 * shapes[labels] + np.random.default_rng(seed).integers(0, 90, (rows, side, side)), labels


def houses(rows: int = HOUSES) -> pd.DataFrame:
    """Houses whose prices follow from their features, but for a deviation of 15 000 dollars."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "Id": np.arange(rows),
            "OverallQual": rng.integers(1, 11, rows),
            "YearBuilt": rng.integers(1880, 2010, rows),
            "TotalBsmtSF": rng.integers(0, 2000, rows),
            "GrLivArea": rng.integers(400, 3000, rows),
        }
    )
    worth = 15_000 * table.OverallQual + 50 * table.GrLivArea + 30 * table.TotalBsmtSF
    return table.assign(SalePrice=(worth + rng.normal(0, 15_000, rows) + 30_000).round())


def write_tiny_data(folder: Path) -> Path:
    """A data folder for every task."""
    splits = [(ROWS, 1), (TEST_ROWS, 2)]
    for name in ("MNIST", "FashionMNIST"):
        arrays = [array for rows, seed in splits for array in pictures(28, rows, seed)]
        write(folder / name / "raw", dict(zip(FILES, map(idx, arrays), strict=True)))
    for name, (rows, seed) in zip(("usps.bz2", "usps.t.bz2"), splits, strict=True):
        lines = []
        for image, label in zip(*pictures(16, rows, seed), strict=True):
            cells = {f"p{i}": f"{i}:{pixel / 127.5 - 1:.6f}" for i, pixel in enumerate(image.flat, start=1)}
            lines.append(usps_line(label + 1, **cells))
        write(folder / "USPS", {name: usps_file(*lines)})
    write(folder / "house_prices", {"house_prices.csv": houses().to_csv(index=False).encode()})
    for name, (rows, seed) in zip(("train", "test"), splits, strict=True):
        x = np.random.default_rng(seed).uniform(-5, 5, rows // 2)
        points = pd.DataFrame({"input": x, "label": 3 * np.sin(x) * np.cos(x / 2) + 2})
        write(folder / "regression", {f"{name}_data.csv": points.to_csv(index=False).encode()})
    return folder


def message(read: Callable[[], object]) -> str:
    """The one line that a reader raises."""
    with pytest.raises(DataError) as error:
        read()
    assert "\n" not in str(error.value)
    return str(error.value)


def publish(monkeypatch: pytest.MonkeyPatch, url: str, files: dict[str, bytes] | None = None) -> None:
    """Make torchvision believe that ``url`` is where these archives are published."""
    sums = {name: hashlib.md5(content).hexdigest() for name, content in (files or {}).items()}
    for kind in (datasets.MNIST, datasets.FashionMNIST):
        monkeypatch.setattr(kind, "mirrors", [url])
        monkeypatch.setattr(kind, "resources", [(gz, sums.get(gz, md5)) for gz, md5 in kind.resources])
    entries = {k: [url + name, name, sums.get(name, md5)] for k, (_, name, md5) in datasets.USPS.split_list.items()}
    monkeypatch.setattr(datasets.USPS, "split_list", entries)
