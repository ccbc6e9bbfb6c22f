"""Images of handwritten digits in a MATLAB file."""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from search_spaces.errors import DataError, reason
from trainables.data.dataset import Array, Pair
from trainables.data.readers.images import check_labels

IMAGES = "input_images"
LABELS = "output_labels"
SIDE = 28

MATRIX, COMPRESSED = 14, 15
"""Types of the elements of a version 5 file that hold arrays."""

WIDTHS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Types of elements that hold numbers, with the bytes of one number."""


def mnist_mat(path: Path) -> Pair:
    """Read ``input_images`` (N, 784) and ``output_labels``, N numbers 0 to 9 in a row or a column, of ``path``.

    Pixels are whole numbers 0 to 255 of any type, or fractions 0 to 1, which are scaled; their order stays.

    Returns:
        uint8 images (N, 1, 28, 28) and int64 labels (N,).

    Raises:
        DataError: if the file is missing or broken, or an array is missing or breaks these rules.
    """
    from scipy.io import loadmat

    if not os.path.isfile(path):  # scipy tells it no other way
        raise DataError(f"{path}: this data file is missing")
    try:
        _check_elements(path)
        arrays = loadmat(path, variable_names=[IMAGES, LABELS], appendmat=False)
    except DataError:
        raise
    except NotImplementedError as error:
        raise DataError(f"{path}: MATLAB 7.3 files (HDF5) cannot be read; save it with the option -v7") from error
    except Exception as error:  # of a broken file scipy raises many types
        raise DataError(f"{path}: cannot be read as a MATLAB file, {reason(error)}") from error
    for name in (IMAGES, LABELS):
        if name not in arrays:
            raise DataError(f"{path}: lacks the array {name}")
        array = arrays[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
            raise DataError(f"{path}: {name} must be an intact full array of real numbers")
    pixels: Array = arrays[IMAGES]
    labels: Array = arrays[LABELS]
    if pixels.ndim != 2 or pixels.shape[1] != SIDE**2 or len(pixels) == 0:
        raise DataError(f"{path}: {IMAGES} must have shape (N, {SIDE**2}), got {pixels.shape}")
    rows = len(pixels)
    if labels.shape not in ((rows,), (rows, 1), (1, rows)):
        raise DataError(f"{path}: {LABELS} must have {rows} numbers, one for each image, got shape {labels.shape}")
    labels = labels.reshape(rows)
    check_labels(labels, path)
    return _bytes(pixels, path).reshape(rows, 1, SIDE, SIDE), labels.astype(np.int64)


def _check_elements(path: Path) -> None:
    """Raise an error if arrays in a file of MATLAB 5 to 7 are not whole: scipy's reader may crash the process on them.

    An element is a tag, the numbers type and size, and so many bytes; an array is an element of elements: flags,
    dimensions, name and numbers.
    """
    content = memoryview(path.read_bytes())
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(bytes(content[124:128]))
    if order is None:
        return  # of another version
    for kind, body in _elements(content[128:], order):
        if kind == COMPRESSED:
            kind, body = next(_elements(memoryview(zlib.decompress(body)), order))
        if kind != MATRIX:
            raise ValueError(f"an array was expected, found an element of type {kind}")
        parts = list(_elements(body, order))
        if len(parts) < 3:
            raise ValueError("an array without a name")
        name = bytes(parts[2][1]).decode("latin1")
        if name in (IMAGES, LABELS) and not _is_real(parts, order):
            raise DataError(f"{path}: {name} must be an intact full array of real numbers")


def _is_real(parts: list[tuple[int, memoryview]], order: str) -> bool:
    (flag_kind, flags), (shape_kind, shape), (name_kind, _), *numbers = parts
    if (flag_kind, shape_kind, name_kind, len(flags), len(shape) % 4, len(numbers)) != (6, 5, 1, 8, 0, 1):
        return False
    (flag,) = struct.unpack_from(f"{order}I", flags)
    count = math.prod(struct.unpack(f"{order}{len(shape) // 4}I", shape))
    kind, content = numbers[0]
    # The last byte of the flags names the type, 6 to 15 are of full arrays; bit 11 stands for complex numbers.
    return 6 <= flag & 0xFF <= 15 and not flag & 0x800 and count * WIDTHS.get(kind, -1) == len(content)


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        start = at + 8
        if kind >> 16:  # up to four bytes share the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > len(content):
            raise ValueError(f"an element of {size} bytes was expected, {len(content) - start} are left")
        yield kind, content[start : start + size]
        # Only a compressed array is not padded to multiples of 8 bytes.
        at = start + size if kind == COMPRESSED else -(-(start + size) // 8) * 8


def _bytes(pixels: Array, path: Path) -> Array:
    """Turn (N, P) pixels into uint8."""
    allowed = (pixels >= 0) & (pixels <= 255)
    if pixels.dtype.kind == "f" and allowed.all():
        if pixels.max() <= 1:
            scaled: Array = np.rint(pixels * 255)
            return scaled.astype(np.uint8)
        allowed = pixels == np.rint(pixels)
    if not allowed.all():
        row, pixel = np.unravel_index(np.argmin(allowed), allowed.shape)
        raise DataError(
            f"{path}: pixels must be whole numbers 0 to 255, or all 0 to 1, row {row} of {IMAGES} has {pixels[row, pixel]}"
        )
    return pixels.astype(np.uint8)
