"""Images of FashionMNIST, MNIST and USPS, read and where need be downloaded by torchvision.

torchvision is imported where it is used: workers import this module, but never load data.
"""

from __future__ import annotations

import bz2
import hashlib
import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.errors import DataError, reason
from trainables.data.dataset import Array, Pair
from trainables.data.readers.downloads import data_folder, quiet_download

CLASSES = 10
USPS_LABELS = [str(digit + 1).encode() for digit in range(CLASSES)]
USPS_INDICES = [str(pixel + 1).encode() for pixel in range(16 * 16)]


def fashion_mnist(data_dir: Path | None, train: bool) -> Pair:
    """Read the 60 000 training or 10 000 test images of FashionMNIST.

    Args:
        data_dir: holds ``FashionMNIST/raw``, with the four files or their published .gz archives, which are unpacked
            beside them; what is missing is downloaded. None stands for this user's cache.
        train: which split.

    Returns:
        uint8 images (N, 1, 28, 28) and int64 labels (N,), 0 to 9.

    Raises:
        DataError: if a file is broken, or missing and cannot be downloaded.
    """
    return _idx("FashionMNIST", data_dir, train)


def mnist(data_dir: Path | None, train: bool) -> Pair:
    """Read the 60 000 training or 10 000 test images of MNIST, in ``MNIST/raw``, as :func:`fashion_mnist` does."""
    return _idx("MNIST", data_dir, train)


def usps(data_dir: Path | None, train: bool) -> Pair:
    """Read the 7291 training or 2007 test images of USPS.

    Args:
        data_dir: holds ``USPS``, with ``usps.bz2`` and ``usps.t.bz2``; what is missing is downloaded. None stands for
            this user's cache.
        train: which split.

    Returns:
        uint8 images (N, 1, 16, 16) and int64 labels (N,), 0 to 9.

    Raises:
        DataError: if a file is broken, or missing and cannot be downloaded.
    """
    from torchvision.datasets import USPS
    from torchvision.datasets.utils import download_url

    folder = data_folder(data_dir) / "USPS"
    # Both files before the search, which may take long; torchvision fetches the test file when it is asked for.
    absent = [entry for entry in USPS.split_list.values() if not os.path.isfile(folder / entry[1])]
    for url, name, md5 in absent:
        try:
            with quiet_download():
                download_url(url, folder, name, md5)
        except Exception as error:
            if os.path.isfile(folder / name):  # a broken download, which the next call would take for the data
                os.unlink(folder / name)
            raise _lacks(folder, [entry[1] for entry in absent], error) from error
    path = folder / USPS.split_list["train" if train else "test"][1]
    _check_usps(path)
    try:
        split = USPS(folder, train=train, download=False)
    except Exception as error:
        raise DataError(f"{path}: cannot be read, {reason(error)}") from error
    return split.data[:, None], np.array(split.targets, dtype=np.int64)


def check_labels(labels: Array, path: Path) -> None:
    """Raise DataError unless each of ``labels`` (N,), which ``path`` holds, is a class: 0 to 9."""
    wrong = ~np.isin(labels, np.arange(CLASSES))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{path}: every label must be 0 to {CLASSES - 1}, row {row} has {labels[row]}")


def _idx(name: str, data_dir: Path | None, train: bool) -> Pair:
    from torchvision import datasets

    kind: Any = getattr(datasets, name)
    root = data_folder(data_dir)
    raw = root / name / "raw"
    part = "train" if train else "t10k"
    images, labels = raw / f"{part}-images-idx3-ubyte", raw / f"{part}-labels-idx1-ubyte"
    # A class that knows the missing files only: where one is missing torchvision would replace the others as well, and
    # it would prefer files of its own old format.
    absent = [(gz, md5) for gz, md5 in kind.resources if not os.path.isfile(raw / gz.removesuffix(".gz"))]
    missing_only = type(name, (kind,), {"resources": absent, "_check_legacy_exist": lambda self: False})
    try:
        with quiet_download():
            split = missing_only(root, train=train, download=True)
    except Exception as error:
        _explain_missing(raw, absent, error)
        _check_idx(images, 3)
        _check_idx(labels, 1)
        raise DataError(f"{raw}: cannot be read, {reason(error)}") from error
    x, y = split.data.numpy(), split.targets.numpy()
    if x.shape[1:] != (28, 28):
        raise DataError(f"{images}: every image must have 28 x 28 pixels, got {x.shape[1]} x {x.shape[2]}")
    if len(x) != len(y):
        raise DataError(f"{labels}: must hold a label for each of the {len(x)} images of {images.name}, got {len(y)}")
    check_labels(y, labels)
    return x[:, None], y


def _explain_missing(raw: Path, absent: list[tuple[str, str]], error: Exception) -> None:
    """Raise DataError if a file of ``absent``, (archive, md5), has not been unpacked because of ``error``."""
    lacking = [gz.removesuffix(".gz") for gz, _ in absent if not os.path.isfile(raw / gz.removesuffix(".gz"))]
    if not lacking:
        return
    for gz, md5 in absent:
        if os.path.isfile(raw / gz):
            got = hashlib.md5(_content(raw / gz), usedforsecurity=False).hexdigest()
            if got != md5:
                raise DataError(
                    f"{raw / gz}: is damaged, its md5 sum must be {md5}, got {got}; a download failed, {_cause(error)}"
                ) from error
    raise _lacks(raw, lacking, error) from error


def _lacks(folder: Path, names: list[str], error: Exception) -> DataError:
    return DataError(f"{folder}: lacks {', '.join(names)}, and they cannot be put there, {_cause(error)}")


def _cause(error: Exception) -> str:
    # torchvision lists what each server answered, on lines of their own.
    return " ".join(str(error).split())[:300] if isinstance(error, RuntimeError) else reason(error)


def _check_idx(path: Path, dimensions: int) -> None:
    """Raise DataError unless ``path`` is an IDX file of bytes in so many dimensions."""
    content = _content(path)
    header, magic = 4 + 4 * dimensions, 0x800 + dimensions  # the magic number names the type, uint8, and dimensions
    again = "(delete it, and it is unpacked or downloaded again)"
    if len(content) < header:
        raise DataError(f"{path}: is truncated, its header must have {header} bytes, got {len(content)} {again}")
    found, *shape = struct.unpack(f">{1 + dimensions}I", content[:header])
    if found != magic:
        raise DataError(f"{path}: its magic number must be {magic}, got {found}")
    size = header + math.prod(shape)
    if len(content) != size:
        what = "is truncated" if len(content) < size else "is too long"
        shown = " x ".join(map(str, shape))
        raise DataError(f"{path}: {what}, for {shown} values it must have {size} bytes, got {len(content)} {again}")
    if size == header:
        raise DataError(f"{path}: must hold at least one value, got shape {tuple(shape)}")


def _check_usps(path: Path) -> None:
    """Raise DataError unless each line of ``path`` is a label, 1 to 10, and 256 pixels, -1 to 1, with their indices.

    torchvision ignores the indices, and turns numbers outside of that range into other pixels.
    """
    try:
        lines = bz2.decompress(_content(path)).split(b"\n")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be unpacked, {reason(error)} (delete it, and it is downloaded again)"
        ) from error
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise DataError(f"{path}: must hold at least one line")
    for number, line in enumerate(lines, start=1):
        label, *cells = line.split() or [b""]
        if label not in USPS_LABELS:
            raise DataError(
                f"{path}: every label must be 1 to {CLASSES} (of the digits 0 to 9), line {number} has {_shown(label)}"
            )
        if len(cells) != len(USPS_INDICES):
            raise DataError(f"{path}: every line must have {len(USPS_INDICES)} pixels, line {number} has {len(cells)}")
        pairs = [cell.partition(b":") for cell in cells]
        for index, (found, _, value), cell in zip(USPS_INDICES, pairs, cells, strict=True):
            if found != index or not _is_usps_pixel(value):
                raise DataError(
                    f"{path}: pixel {index.decode()} must be {index.decode()}:value with a value of -1 to 1, "
                    f"line {number} has {_shown(cell)}"
                )


def _is_usps_pixel(value: bytes) -> bool:
    try:
        return -1 <= float(value) <= 1
    except ValueError:
        return False


def _shown(token: bytes) -> str:
    return repr(token[:30].decode("ascii", "backslashreplace"))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read, {reason(error)}") from error
