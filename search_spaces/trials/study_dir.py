"""The folder of a study: the one place that knows the names in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from search_spaces.errors import OutputError
from search_spaces.study.study import Study


class StudyDir:
    """Names of everything that a study leaves on disk. Files appear whole or not at all."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().resolve()
        self.study_file = self.root / "study.yaml"
        self.journal = self.root / "trials.journal"
        self.tensorboard = self.root / "tensorboard"
        self.best = self.root / "best"
        self.best_params = self.best / "params.yaml"
        self.best_model = self.best / "model.pt"
        self.best_history = self.best / "history.csv"
        self.best_metrics = self.best / "metrics.json"
        self.report = self.root / "report"
        self.report_page = self.report / "index.html"
        self.figures = self.report / "figures"
        self.checkpoints = self.root / "checkpoints"
        self.ray = self.root / "ray"
        self._lock = self.root / ".lock"

    @classmethod
    def create(cls, root: str | Path, study: Study) -> StudyDir:
        """Make the folder for a new study.

        Raises:
            OutputError: if it holds a study already, or cannot be written.
        """
        folder = cls(root)
        if folder.study_file.exists() or folder.journal.exists():
            raise OutputError(
                f"{root}: already holds a study; go on with it by 'tunefleet resume {shlex.quote(str(root))}', "
                "or choose another folder with --out"
            )
        try:
            folder.root.mkdir(parents=True, exist_ok=True)
            folder.write_text(folder.study_file, study.to_yaml())
        except OSError as error:
            raise OutputError(f"{root}: cannot be written as the study's folder, {error.strerror}") from error
        return folder

    @classmethod
    def open(cls, root: str | Path) -> StudyDir:
        """Open the folder of a study that was started before.

        Raises:
            OutputError: if there is no study in it.
        """
        folder = cls(root)
        if not folder.study_file.is_file():
            raise OutputError(f"{root}: holds no study (there is no {folder.study_file.name} in it)")
        return folder

    def discard_if_unused(self) -> None:
        """Take back :meth:`create` where the study could not begin, so that the mended one can be run here."""
        if self.tensorboard.exists() or self.running():
            return
        for path in (self.study_file, self.journal, self._lock):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # somebody's folder, with other things in it
            self.root.rmdir()

    def study(self) -> Study:
        """The study as resolved when it was started."""
        return Study.load(self.study_file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while a study runs in it; the system lets go of it when the process dies.

        Raises:
            OutputError: if another process runs this study now.
        """
        lock = FileLock(self._lock, blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(f"{self.root}: this study is running already, in another process") from error
        except OSError as error:
            raise OutputError(f"{self.root}: cannot be written as the study's folder, {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    def running(self) -> bool:
        """Whether a process holds the folder."""
        if not self._lock.exists():
            return False
        try:
            FileLock(self._lock, blocking=False).acquire().lock.release()
        except Timeout:
            return True
        except OSError:  # a folder that can only be read
            return False
        return False

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file whole or not at all."""
        with self.replacing(path) as aside:
            aside.write_text(text, encoding="utf-8")

    @contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """Give a path to write to, which becomes ``path`` when all went well."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            yield aside
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
