"""What the command line shows of a running study: live lines in a terminal, plain lines on a pipe."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cluster.recorder import Listener, SearchInfo
from search_spaces.trials.outcome import Outcome, State
from trainables.report import CohortConfig, CohortReport

REFIT_LINE_SECONDS = 30.0
"""Between two lines about a refit, on a pipe."""


class ConsoleProgress(Listener):
    """A listener that writes to a console; a context manager, so that the terminal is left as it was."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:g}{task.fields[of]} {task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            refresh_per_second=4,
            disable=not self._live,
        )
        self._info: SearchInfo | None = None
        self._study: TaskID | None = None
        self._cohorts: dict[str, TaskID] = {}
        self._refit: TaskID | None = None
        self._said_at = time.monotonic()
        self._reasons: set[str] = set()
        self._done = 0
        self._best: tuple[int, float] | None = None

    def __enter__(self) -> ConsoleProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._cohorts.values():
            self._progress.remove_task(task)
        self._progress.stop()

    def started(self, info: SearchInfo) -> None:
        """See :class:`cluster.recorder.Listener`."""
        self._info, self._done, self._best = info, info.done, info.best
        again = f", {info.done} of them finished before" if info.done else ""
        trials = "any number of trials" if info.total is None else f"{info.total} trials"
        most = f", at most {info.limits}" if info.limits else ""
        self.message(f"{info.study}: {trials}{again}{most}, {info.workers} workers on {info.device}")
        self._study = self._progress.add_task(
            info.study, total=info.total, completed=info.done, of=self._of(), unit="trials", note=self._note()
        )

    def cohort_started(self, cohort: CohortConfig, epochs: int) -> None:
        """See :class:`cluster.recorder.Listener`."""
        self._cohorts[cohort.name] = self._progress.add_task(
            f"  {cohort.name}",
            total=epochs,
            completed=cohort.start,
            of=f"/{epochs}",
            unit="epochs",
            note=_trials(len(cohort.trials)),
        )

    def cohort_progress(self, report: CohortReport) -> None:
        """See :class:`cluster.recorder.Listener`."""
        task = self._cohorts.get(report.cohort)
        if report.why_loop and report.why_loop not in self._reasons:
            self._reasons.add(report.why_loop)
            self.message(f"{report.cohort}: its networks are trained one by one, not stacked: {report.why_loop}")
        if task is None:
            return
        if report.live:
            self._progress.update(task, completed=report.epoch, note=_trials(report.live))
        else:
            self._progress.remove_task(self._cohorts.pop(report.cohort))

    def trial_ended(self, outcome: Outcome) -> None:
        """See :class:`cluster.recorder.Listener`."""
        self._done += 1
        info = self._info
        if info is None or self._study is None:
            return
        if outcome.state is State.COMPLETE and outcome.value is not None:
            pick = min if info.mode == "min" else max
            known = [self._best] if self._best else []
            self._best = pick([*known, (outcome.number, outcome.value)], key=lambda trial: trial[1])
        self._progress.update(self._study, completed=self._done, note=self._note())
        if outcome.state is State.FAIL:
            self.message(f"trial {outcome.number} failed: {outcome.reason}")
        elif not self._live and (outcome.epochs or outcome.state is State.COMPLETE):
            value = "-" if outcome.value is None else f"{outcome.value:.5g}"
            what = f"trial {outcome.number} {outcome.state.value.lower()} after {outcome.epochs} epochs, {info.metric} {value}"
            self.message(f"[{self._done}{self._of()}] {what}; {self._note() or 'none complete yet'}")

    def refit_progress(self, done: int, total: int) -> None:
        """See :class:`cluster.recorder.Listener`."""
        if self._refit is None:
            self._refit = self._progress.add_task("refit", total=total, of=f"/{total}", unit="epochs", note="")
        self._progress.update(self._refit, completed=done)
        if not self._live and time.monotonic() - self._said_at > REFIT_LINE_SECONDS:
            self._said_at = time.monotonic()
            self.message(f"refit: {done}/{total} epochs")

    def message(self, text: str) -> None:
        """See :class:`cluster.recorder.Listener`."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _of(self) -> str:
        return "" if self._info is None or self._info.total is None else f"/{self._info.total}"

    def _note(self) -> str:
        if self._best is None or self._info is None:
            return ""
        number, value = self._best
        return f"best {self._info.metric} {value:.5g} (trial {number})"


def _trials(count: int) -> str:
    return f"{count} trial{'s' if count != 1 else ''}"
