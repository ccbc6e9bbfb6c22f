"""Where data sets are kept, and how they are downloaded: without output, and without waiting for ever."""

from __future__ import annotations

import io
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from search_spaces.errors import DataError, reason

SECONDS = 20
"""How long a server may stay silent; by default torchvision and scikit-learn wait for ever."""


def data_folder(data_dir: Path | None) -> Path:
    """Return ``data_dir``, or where that is None this user's cache, which is created.

    The cache is ``$XDG_CACHE_HOME/tunefleet``, or ``~/.cache/tunefleet``.

    Raises:
        DataError: if ``data_dir`` is no folder, or the cache cannot be created.
    """
    if data_dir is not None:
        if not os.path.isdir(data_dir):
            raise DataError(f"{data_dir}: must be an existing data folder")
        return data_dir
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        # A relative path there is invalid, says the XDG specification, and to be ignored.
        folder = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "tunefleet"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        raise DataError(f"cannot create a cache of data sets, {reason(error)}; name a folder with --data") from error
    return folder


@contextmanager
def quiet_download() -> Iterator[None]:
    """Download in this block without progress bars and warnings, and with a time limit on every answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)  # the libraries have no argument for it
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        socket.setdefaulttimeout(before)
