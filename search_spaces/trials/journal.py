"""The file of the trial database: opening it, and mending it after its writer was killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from search_spaces.errors import OutputError, reason
from search_spaces.study.fields import without_password

_RECORD = b'{"op_code"'
"""How each line of a journal begins."""


def open_storage(journal: Path, url: str | None) -> BaseStorage:
    """Open the study's storage: the journal file, or the database at ``url``.

    Raises:
        OutputError: if it cannot be opened.
    """
    try:
        if url is not None:
            return RDBStorage(url)
        return JournalStorage(JournalFileBackend(str(journal)))
    except Exception as error:  # Optuna passes on whatever the driver raises
        where = without_password(url or journal)
        raise OutputError(f"{where}: cannot be opened as a trial database, {reason(error)}") from error


def repair_journal(journal: Path) -> int:
    """Make a journal safe to append to after its writer was killed; returns the number of bytes cut off.

    A torn last line is cut (Optuna would append to it, and could read nothing after), and the dead writer's lock is
    removed (Optuna would wait 30 s for it). Call it only while no other process writes.

    Raises:
        OutputError: if the file is not a trial journal.
    """
    for lock in journal.parent.glob(journal.name + ".lock*"):
        lock.unlink(missing_ok=True)
    if not journal.exists():
        return 0
    data = journal.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines(keepends=True)
    if lines and not _is_record(lines[-1]):
        whole = whole[: -len(lines[-1])]
    if not (data.startswith(_RECORD) or _RECORD.startswith(data)):
        raise OutputError(f"{journal}: is not a trial journal of Optuna")
    if len(whole) < len(data):
        os.truncate(journal, len(whole))
    return len(data) - len(whole)


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
