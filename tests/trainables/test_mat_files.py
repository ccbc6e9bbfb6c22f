"""The reader of MATLAB files: tiny ones of the real format, and broken ones."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from tests.trainables.data_files import IMAGES, LABELS, message
from trainables.data.dataset import Array
from trainables.data.readers.mat import mnist_mat


def mat(folder: Path, images: object = None, labels: object = None, **options: object) -> Path:
    """A MATLAB file."""
    arrays = {"input_images": IMAGES.reshape(3, 784) if images is None else images, "output_labels": labels}
    if labels is None:
        arrays["output_labels"] = LABELS
    savemat(folder / "digits.mat", {k: v for k, v in arrays.items() if not isinstance(v, str)}, **options)
    return folder / "digits.mat"


@pytest.mark.parametrize("images", [IMAGES.astype(np.uint8), IMAGES.astype(float), IMAGES / 255, np.int16(IMAGES)])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None].astype(float), LABELS[None].astype(np.uint8)])
@pytest.mark.parametrize("version", ["4", "5"])
def test_mat_files(images: Array, labels: Array, version: str, tmp_path: Path) -> None:
    x, y = mnist_mat(mat(tmp_path, images.reshape(3, 784), labels, format=version))
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    assert np.array_equal(x, IMAGES[:, None])
    assert np.array_equal(y, LABELS)


def pixel(value: float, dtype: type = float) -> Array:
    """Images with one other pixel."""
    images = IMAGES.reshape(3, 784).astype(dtype)
    images[1, 5] = value
    return images


RANGE = "pixels must be whole numbers 0 to 255, or all 0 to 1, row 1 of input_images has "


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        ("none", None, "lacks the array input_images"),
        (None, "none", "lacks the array output_labels"),
        (IMAGES, None, "input_images must have shape (N, 784), got (3, 28, 28)"),
        (IMAGES.reshape(3, 784).T, None, "input_images must have shape (N, 784), got (784, 3)"),
        (np.zeros((0, 784)), None, "input_images must have shape (N, 784), got (0, 784)"),
        (
            csc_matrix(IMAGES.reshape(3, 784).astype(float)),
            None,
            "input_images must be an intact full array of real numbers",
        ),
        ({"a": 1}, None, "input_images must be an intact full array of real numbers"),
        (pixel(1j, complex), None, "input_images must be an intact full array of real numbers"),
        (None, np.array(["7", "0", "9"]), "output_labels must be an intact full array of real numbers"),
        (None, LABELS[:2], "output_labels must have 3 numbers, one for each image, got shape (1, 2)"),
        (None, np.zeros((3, 10)), "output_labels must have 3 numbers, one for each image, got shape (3, 10)"),
        (None, np.array([1, 10, 2]), "every label must be 0 to 9, row 1 has 10"),
        (None, np.array([1, 2, 2.5]), "every label must be 0 to 9, row 2 has 2.5"),
        (None, np.array([np.nan, 2, 2]), "every label must be 0 to 9, row 0 has nan"),
        (pixel(256, np.int16), None, RANGE + "256"),
        (pixel(-1), None, RANGE + "-1.0"),
        (pixel(0.5), None, RANGE + "0.5"),
        (pixel(np.nan), None, RANGE + "nan"),
        (pixel(1000) / 255, None, "pixels must be whole numbers 0 to 255, or all 0 to 1, row 0 of input_images has "),
    ],
)
def test_broken_mat_files(images: object, labels: object, expected: str, tmp_path: Path) -> None:
    path = mat(tmp_path, images, labels)
    assert message(lambda: mnist_mat(path)).startswith(f"{path}: {expected}")


@pytest.mark.parametrize("compressed", [True, False])
def test_truncated_mat_files(compressed: bool, tmp_path: Path) -> None:
    path = mat(tmp_path, do_compression=compressed)
    content = path.read_bytes()
    for size in range(0, len(content), 37):
        path.write_bytes(content[:size])
        assert message(lambda: mnist_mat(path)).startswith(f"{path}: ")


@pytest.mark.parametrize("offset", [128, 136, 164, 165, 176, 192, 193])
@pytest.mark.parametrize("value", [4, 20, 255])
def test_damaged_mat_files(offset: int, value: int, tmp_path: Path) -> None:
    """Of types and sizes that it does not know scipy's reader crashes the process."""
    path = mat(tmp_path, IMAGES.reshape(3, 784).astype(np.uint8))
    content = bytearray(path.read_bytes())
    content[offset] = value
    path.write_bytes(content)
    assert message(lambda: mnist_mat(path)).startswith(f"{path}: ")


def test_missing_and_foreign_mat_files(tmp_path: Path) -> None:
    path = tmp_path / "digits.mat"
    assert message(lambda: mnist_mat(path)) == f"{path}: this data file is missing"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<H", 0x0200) + b"IM" + bytes(400))
    expected = f"{path}: MATLAB 7.3 files (HDF5) cannot be read; save it with the option -v7"
    assert message(lambda: mnist_mat(path)) == expected
    path.write_bytes(b"input_images,output_labels\n" * 20)
    assert message(lambda: mnist_mat(path)).startswith(f"{path}: cannot be read as a MATLAB file, ")
