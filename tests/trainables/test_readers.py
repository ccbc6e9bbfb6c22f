"""Readers of images: tiny files of the real formats, broken ones, downloads from this machine, and the real data."""

from __future__ import annotations

import bz2
import functools
import gzip
import hashlib
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from tests.trainables.data_files import FILES, IMAGES, LABELS, idx, message, publish, usps_file, usps_line, write
from trainables.data.readers.images import fashion_mnist, mnist, usps

BOTH = pytest.mark.parametrize("train", [True, False])


pytestmark = pytest.mark.usefixtures("mirror")


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose tiny archives this machine publishes."""
    folder = tmp_path / "published"
    folder.mkdir()
    files = {f"{name}.gz": gzip.compress(content) for name, content in idx_files().items()}
    files |= {"usps.bz2": usps_file(), "usps.t.bz2": usps_file(rows=2)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        publish(monkeypatch, f"http://127.0.0.1:{served.server_port}/", files)
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield folder
        served.shutdown()


def idx_files() -> dict[str, bytes]:
    """The four files of a tiny MNIST, whose test split has two images."""
    return dict(zip(FILES, map(idx, (IMAGES, LABELS, IMAGES[:2], LABELS[:2])), strict=True))


@pytest.mark.parametrize(("read", "name"), [(fashion_mnist, "FashionMNIST"), (mnist, "MNIST")])
@BOTH
def test_idx_files(read: Callable, name: str, train: bool, tmp_path: Path) -> None:
    write(tmp_path / name / "raw", idx_files())
    images, labels = read(tmp_path, train)
    rows = 3 if train else 2
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert np.array_equal(images, IMAGES[:rows, None])
    assert np.array_equal(labels, LABELS[:rows])


def test_a_split_reads_only_its_own_files(tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw", idx_files() | {FILES[2]: b"", FILES[3]: b"?"})
    write(tmp_path / "USPS", {"usps.bz2": usps_file(), "usps.t.bz2": b"?"})
    assert len(mnist(tmp_path, True)[0]) == len(usps(tmp_path, True)[0]) == 3


def test_published_archives_are_unpacked_without_a_network(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    for kind in (datasets.MNIST, datasets.FashionMNIST):
        monkeypatch.setattr(kind, "mirrors", [mirror])
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(server, raw)
    own = write(raw, {FILES[0]: idx(IMAGES[:, ::-1])}) / FILES[0]  # a file that is there stays as it is
    assert np.array_equal(mnist(tmp_path, True)[0], IMAGES[:, None, ::-1])
    assert own.read_bytes() == idx(IMAGES[:, ::-1])
    assert len(mnist(tmp_path, False)[0]) == 2


@pytest.mark.parametrize("read", [fashion_mnist, mnist, usps])
def test_downloads_are_silent_and_kept(
    read: Callable, server: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = read(None, False)
    assert capfd.readouterr() == ("", "")
    shutil.rmtree(server)
    assert all(map(np.array_equal, before, read(None, False)))
    assert (len(read(None, True)[0]), len(before[0])) == (3, 2)
    assert {p.name for p in (tmp_path / "cache" / "tunefleet").iterdir()} <= {"MNIST", "FashionMNIST", "USPS"}


def test_a_damaged_archive_is_replaced_where_there_is_a_network(server: Path, tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw", {f"{FILES[0]}.gz": b"half"})
    assert len(mnist(tmp_path, True)[0]) == 3


def test_a_broken_download_does_not_stay(server: Path, tmp_path: Path) -> None:
    write(server, {"usps.bz2": b"Log in first"})
    (tmp_path / "USPS").mkdir()
    expected = f"{tmp_path / 'USPS'}: lacks usps.bz2, usps.t.bz2, and they cannot be put there, File not found or"
    assert message(lambda: usps(tmp_path, True)).startswith(expected)
    assert not list((tmp_path / "USPS").iterdir())


SMALL = np.zeros((3, 8, 9))
LONG = "(delete it, and it is unpacked or downloaded again)"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (FILES[0], idx(IMAGES)[:-5], f"is truncated, for 3 x 28 x 28 values it must have 2368 bytes, got 2363 {LONG}"),
        (FILES[0], idx(IMAGES)[:15], f"is truncated, its header must have 16 bytes, got 15 {LONG}"),
        (FILES[0], b"", f"is truncated, its header must have 16 bytes, got 0 {LONG}"),
        (FILES[0], idx(IMAGES) + b"1", f"is too long, for 3 x 28 x 28 values it must have 2368 bytes, got 2369 {LONG}"),
        (FILES[0], b"\x89PNG" + bytes(30), "its magic number must be 2051, got 2303741511"),
        (FILES[0], idx(IMAGES, kind=13), "its magic number must be 2051, got 3331"),
        (FILES[0], idx(np.zeros((0, 28, 28))), "must hold at least one value, got shape (0, 28, 28)"),
        (FILES[0], idx(SMALL), "every image must have 28 x 28 pixels, got 8 x 9"),
        (FILES[1], idx(LABELS[:, None]), "its magic number must be 2049, got 2050"),
        (FILES[1], idx(IMAGES), "its magic number must be 2049, got 2051"),
        (FILES[1], idx(LABELS)[:-1], f"is truncated, for 3 values it must have 11 bytes, got 10 {LONG}"),
        (FILES[1], idx(LABELS[:2]), "must hold a label for each of the 3 images of train-images-idx3-ubyte, got 2"),
        (FILES[1], idx(np.array([1, 12, 3])), "every label must be 0 to 9, row 1 has 12"),
    ],
)
def test_broken_idx_files(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    raw = write(tmp_path / "MNIST" / "raw", idx_files() | {name: content})
    assert message(lambda: mnist(tmp_path, True)) == f"{raw / name}: {expected}"


@pytest.mark.parametrize("content", [gzip.compress(b"other"), gzip.compress(idx(IMAGES))[:-9], b""])
def test_broken_archives(content: bytes, tmp_path: Path) -> None:
    archive = write(tmp_path / "MNIST" / "raw", {f"{FILES[1]}.gz": content}) / f"{FILES[1]}.gz"
    expected = f"{archive}: is damaged, its md5 sum must be d53e105ee54ea40749a09fcbcd1e9432, got "
    got = message(lambda: mnist(tmp_path, True))
    assert got.startswith(expected + hashlib.md5(content).hexdigest())
    assert "Connection refused" in got


def test_an_archive_that_cannot_be_unpacked(tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archives = {f"{name}.gz": gzip.compress(content)[:-9] for name, content in idx_files().items()}
    publish(monkeypatch, mirror, archives)
    raw = write(tmp_path / "MNIST" / "raw", archives)
    assert message(lambda: mnist(tmp_path, True)).startswith(f"{raw}: lacks {FILES[1]}, {FILES[2]}, {FILES[3]}, and ")


@pytest.mark.parametrize("present", [FILES[:2], FILES[1:3], []])
@BOTH
def test_missing_idx_files(present: list[str], train: bool, tmp_path: Path) -> None:
    raw = write(tmp_path / "FashionMNIST" / "raw", {name: idx_files()[name] for name in present})
    lacking = ", ".join(name for name in FILES if name not in present)
    got = message(lambda: fashion_mnist(tmp_path, train))
    assert got.startswith(f"{raw}: lacks {lacking}, and they cannot be put there, Error downloading ")
    assert "Connection refused" in got


@BOTH
def test_missing_usps_files(train: bool, tmp_path: Path) -> None:
    write(tmp_path / "USPS", {"usps.bz2": usps_file()})
    expected = f"{tmp_path / 'USPS'}: lacks usps.t.bz2, and they cannot be put there, URLError: <urlopen error"
    assert message(lambda: usps(tmp_path, train)).startswith(expected)


@pytest.mark.parametrize("read", [fashion_mnist, mnist, usps])
def test_folders_that_cannot_be_used(read: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert message(lambda: read(tmp_path / "no", True)) == f"{tmp_path / 'no'}: must be an existing data folder"
    assert not (tmp_path / "no").exists()
    file = tmp_path / "file"
    file.touch()
    assert message(lambda: read(file, True)) == f"{file}: must be an existing data folder"
    for name in ("FashionMNIST", "MNIST", "USPS"):
        (tmp_path / name).touch()
    assert "and they cannot be put there, " in message(lambda: read(tmp_path, True))
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert message(lambda: read(None, True)).startswith("cannot create a cache of data sets, ")


def test_the_cache_is_below_home_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # invalid by its specification
    assert message(lambda: usps(None, True)).startswith(f"{tmp_path}/.cache/tunefleet/USPS: lacks usps.bz2")


@BOTH
def test_usps_files(train: bool, tmp_path: Path) -> None:
    write(tmp_path / "USPS", {"usps.bz2": usps_file(), "usps.t.bz2": usps_file(rows=2)})
    images, labels = usps(tmp_path, train)
    rows = 3 if train else 2
    assert (images.shape, images.dtype, labels.dtype) == ((rows, 1, 16, 16), np.uint8, np.int64)
    assert images[0, 0, 0, :3].tolist() == [0, 1, 2]
    assert images.max() == 255
    assert labels.tolist() == list(range(rows))


GOOD = usps_line()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (usps_file()[:-20], "cannot be unpacked, ValueError: Compressed data ended before the end-of-stream marker"),
        (b"not bz2", "cannot be unpacked, OSError: Invalid data stream (delete it, and it is downloaded again)"),
        (b"", "must hold at least one line"),
        (bz2.compress(b""), "must hold at least one line"),
        (usps_file(GOOD, ""), "every label must be 1 to 10 (of the digits 0 to 9), line 2 has ''"),
        (usps_file(GOOD, usps_line(11)), "every label must be 1 to 10 (of the digits 0 to 9), line 2 has '11'"),
        (usps_file(usps_line(0)), "every label must be 1 to 10 (of the digits 0 to 9), line 1 has '0'"),
        (usps_file("ÿ 1:1"), "every label must be 1 to 10 (of the digits 0 to 9), line 1 has '\\\\xc3\\\\xbf'"),
        (usps_file(GOOD, usps_line(pixels=255)), "every line must have 256 pixels, line 2 has 255"),
        (usps_file(usps_line(pixels=512)), "every line must have 256 pixels, line 1 has 512"),
        (usps_file(*[usps_line(pixels=128)] * 2), "every line must have 256 pixels, line 1 has 128"),
        (usps_file(usps_line(p3="3:1.01")), "pixel 3 must be 3:value with a value of -1 to 1, line 1 has '3:1.01'"),
        (usps_file(usps_line(p3="3:nan")), "pixel 3 must be 3:value with a value of -1 to 1, line 1 has '3:nan'"),
        (usps_file(usps_line(p3="3:x")), "pixel 3 must be 3:value with a value of -1 to 1, line 1 has '3:x'"),
        (usps_file(usps_line(p3="4:0.5")), "pixel 3 must be 3:value with a value of -1 to 1, line 1 has '4:0.5'"),
    ],
)
def test_broken_usps_files(content: bytes, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path / "USPS", {"usps.bz2": content, "usps.t.bz2": usps_file()}) / "usps.bz2"
    assert message(lambda: usps(tmp_path, True)).startswith(f"{path}: {expected}")


def test_importing_readers_imports_no_torchvision() -> None:
    code = "import sys, trainables.data.readers.images, trainables.data.readers.mat; sys.exit('torchvision' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
USPS_COUNTS = [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]
USPS_TEST_COUNTS = [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]


@pytest.mark.parametrize(
    ("read", "name", "side", "counts", "test_counts"),
    [
        (fashion_mnist, "FashionMNIST", 28, [6000] * 10, [1000] * 10),
        (mnist, "MNIST", 28, MNIST_COUNTS, MNIST_TEST_COUNTS),
        (usps, "USPS", 16, USPS_COUNTS, USPS_TEST_COUNTS),
    ],
)
def test_real_images(
    read: Callable, name: str, side: int, counts: list[int], test_counts: list[int], data_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_dir / name, tmp_path / name)
    for folder in [tmp_path / name, *(tmp_path / name).glob("raw")]:
        folder.chmod(0o755)  # copied from a read-only folder
    for train, expected in ((True, counts), (False, test_counts)):
        images, labels = read(tmp_path, train)
        assert images.shape == (sum(expected), 1, side, side)
        assert np.bincount(labels).tolist() == expected
        assert images.min() == 0
        assert images.max() in (254, 255)
