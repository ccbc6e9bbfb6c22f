"""What the command line shows of a running study: live lines in a terminal, plain lines on a pipe."""

from __future__ import annotations

import time
from types import TracebackType

from optuna.trial import TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cluster.listener import Listener, SearchInfo
from search_spaces.trials.outcome import Outcome
from trainables.messages import Report

LINE_SECONDS = 30.0
"""Between two lines about trials in training or a refit, on a pipe."""


class ConsoleProgress(Listener):
    """A listener that writes to a console; a context manager, so that the terminal is left as it was.

    Args:
        console: where to write.
        live: whether lines may move; by default where the console is a terminal.
    """

    def __init__(self, console: Console, live: bool | None = None) -> None:
        self._live = console.is_terminal if live is None else live
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
        self._stacks: dict[int, TaskID] = {}
        self._refit: TaskID | None = None
        self._said_at = -LINE_SECONDS
        self._reasons: set[str] = set()
        self._done = 0
        self._best: Outcome | None = None

    def __enter__(self) -> ConsoleProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._stacks.values():
            self._progress.remove_task(task)
        self._progress.stop()

    def started(self, info: SearchInfo) -> None:
        """See :class:`cluster.listener.Listener`."""
        self._info, self._done, self._best = info, info.done, info.best
        again = f", {info.done} of them finished before" if info.done else ""
        trials = "any number of trials" if info.total is None else f"{info.total} trials"
        most = f", at most {info.limits}" if info.limits else ""
        self.message(f"{info.study}: {trials}{again}{most}, {_count(info.workers, 'worker')} {info.device}")
        self._study = self._progress.add_task(
            info.study, total=info.total, completed=info.done, of=self._of(), unit="trials", note=self._note()
        )

    def leg_started(self, cohort: int, trials: int, epoch: int) -> None:
        """See :class:`cluster.listener.Listener`."""
        epochs = self._info.epochs if self._info else None
        if cohort in self._stacks:  # its worker died
            self._progress.remove_task(self._stacks[cohort])
        self._stacks[cohort] = self._progress.add_task(
            f"  trial {cohort}" if trials == 1 else f"  stack of trial {cohort}",
            total=epochs,
            completed=epoch,
            of=f"/{epochs}",
            unit="epochs",
            note=_count(trials, "trial"),
        )

    def reported(self, report: Report) -> None:
        """See :class:`cluster.listener.Listener`."""
        if report.why_loop and report.why_loop not in self._reasons:
            self._reasons.add(report.why_loop)
            self.message(f"networks are trained one by one, not stacked: {report.why_loop}")
        self._say_epoch(report)
        task = self._stacks.get(report.cohort)
        if task is None:
            return
        if report.done:
            self._progress.remove_task(self._stacks.pop(report.cohort))
        else:
            self._progress.update(task, completed=report.epoch, note=_count(len(report.live), "trial"))

    def trial_ended(self, outcome: Outcome) -> None:
        """See :class:`cluster.listener.Listener`."""
        self._done += 1
        info = self._info
        if info is None or self._study is None:
            return
        before = self._best.value if self._best else None
        if outcome.complete and outcome.value is not None and info.objective.better(outcome.value, before):
            self._best = outcome
        self._progress.update(self._study, completed=self._done, note=self._note())
        if outcome.state is TrialState.FAIL:
            self.message(f"trial {outcome.number} failed: {outcome.reason}")
        elif not self._live and (outcome.epochs or outcome.complete):
            value = "-" if outcome.value is None else f"{outcome.value:.5g}"
            how = f"{outcome.state.name.lower()} after {_count(outcome.epochs, 'epoch')}"
            what = f"trial {outcome.number} {how}, {info.objective.name} {value}"
            self.message(f"[{self._done}{self._of()}] {what}; {self._note() or 'none complete yet'}")

    def refit_progress(self, done: int, total: int) -> None:
        """See :class:`cluster.listener.Listener`."""
        if self._refit is None:
            self._refit = self._progress.add_task("refit", total=total, of=f"/{total}", unit="epochs", note="")
        self._progress.update(self._refit, completed=done)
        if self._due():
            self.message(f"refit: {done}/{total} epochs")

    def _say_epoch(self, report: Report) -> None:
        """On a pipe, tell from time to time how trials in training stand."""
        info = self._info
        if info is None or not report.epochs or report.ended or not self._due():
            return
        last = {number: epochs[-1] for number, epochs in report.epochs.items()}
        best = min(last, key=lambda number: info.objective.cost(last[number].value))
        others = f", the best of {len(last)} in training" if len(last) > 1 else ""
        what = f"{info.objective.name} {last[best].value:.5g}"
        self.message(f"trial {best}{others}: {what} after {last[best].epoch} of {info.epochs} epochs")

    def _due(self) -> bool:
        if self._live or time.monotonic() - self._said_at < LINE_SECONDS:
            return False
        self._said_at = time.monotonic()
        return True

    def message(self, text: str) -> None:
        """See :class:`cluster.listener.Listener`."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _of(self) -> str:
        return "" if self._info is None or self._info.total is None else f"/{self._info.total}"

    def _note(self) -> str:
        if self._best is None or self._info is None:
            return ""
        return f"best {self._info.objective.name} {self._best.value:.5g} (trial {self._best.number})"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
