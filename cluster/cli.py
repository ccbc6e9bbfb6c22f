"""The command line. Packages that take seconds to import are imported by the commands that need them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from search_spaces.errors import StudyError, TunefleetError

if TYPE_CHECKING:
    from analysis.pareto import ParetoTrial
    from analysis.result import StudyResult

FRONT_ROWS, FRONT_PARAMETERS = 20, 4
"""Trials of a Pareto front that are listed, and hyperparameters of each."""

app = typer.Typer(
    name="tunefleet",
    help="Hyperparameter search for supervised PyTorch networks, on one machine or a Ray cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study's folder, such as results/digits.")]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the task's data files.")]
Address = Annotated[
    str | None, typer.Option(metavar="URL", help="Ray cluster to run on; by default Ray starts on this machine.")
]


Engine = Annotated[
    str | None,
    typer.Option(
        metavar="ENGINE",
        help="ray_tune, or inline: in this process, without Ray, so that breakpoint() works. Overrides resources.engine.",
    ),
]


@app.command()
def run(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped study.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to put it; by default results/<name>.")] = None,
    data: Data = None,
    trials: Annotated[int | None, typer.Option(help="Overrides search.trials.")] = None,
    seed: Annotated[int | None, typer.Option(help="Overrides search.seed.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrides any key, e.g. space.lr.high=0.01. May be repeated."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="A variant that the study file names, such as quick; see its profiles.")
    ] = None,
    address: Address = None,
    engine: Engine = None,
) -> None:
    """Run a study: search, refit the best configuration, test it, report."""
    from cluster.interruptible import interruptible
    from search_spaces.study.study import Study

    overrides = _overrides(settings or [])
    overrides |= {key: value for key, value in (("search.trials", trials), ("search.seed", seed)) if value is not None}
    loaded = Study.load(study, overrides, profile)
    folder = out or Path("results") / loaded.name
    with interruptible(folder):
        from cluster.progress import ConsoleProgress
        from cluster.runner import run as run_study

        inline = (engine or loaded.resources.engine) == "inline"
        with ConsoleProgress(_console(), live=False if inline else None) as progress:  # a debugger needs a quiet screen
            result = run_study(loaded, out=folder, data=data, address=address, listener=progress, engine=engine)
    _print_result(result, folder)


@app.command()
def resume(
    out: Folder,
    data: Data = None,
    trials: Annotated[int | None, typer.Option(help="Extend the study to so many trials in all.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Extend limits.minutes of the study.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Extend limits.epochs of the study.")] = None,
    address: Address = None,
    engine: Engine = None,
) -> None:
    """Go on with a study that was interrupted, or extend one; nothing that finished runs again."""
    from cluster.interruptible import interruptible

    with interruptible(out):
        from cluster.progress import ConsoleProgress
        from cluster.runner import resume as resume_study
        from search_spaces.trials.study_dir import StudyDir

        inline = (engine or StudyDir.open(out).study().resources.engine) == "inline"
        with ConsoleProgress(_console(), live=False if inline else None) as progress:
            result = resume_study(
                out, data, address, listener=progress, trials=trials, minutes=minutes, epochs=epochs, engine=engine
            )
    _print_result(result, out)


@app.command()
def studies() -> None:
    """List the studies that come with tunefleet; each has a profile for a first look: run NAME --profile quick."""
    from search_spaces.study.study import Study, shipped_studies

    for name, path in shipped_studies().items():
        study = Study.load(path)
        about = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        trials = f"{study.trials} trial{'s' if study.trials != 1 else ''}" if study.bounded else study.limits.words()
        _say(f"{name} ({study.task}, {trials}, {study.search.method})\n    {about}")


@app.command()
def show(
    out: Folder, as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False
) -> None:
    """Show a study's state, its best trial and its test metrics."""
    from analysis.result import StudyResult

    result = StudyResult(out)
    if as_json:
        import json

        sys.stdout.write(json.dumps(result.summary(), indent=2) + "\n")
    else:
        _print_result(result, out)


@app.command()
def report(out: Folder) -> None:
    """Draw the figures and write the report of a study again."""
    from analysis.report import write_report
    from analysis.result import StudyResult

    result = StudyResult(out)
    _ = result.task  # where it cannot be made, the report that there is stays
    write_report(result)
    _say(str(result.dir.report_page))


@app.command()
def tensorboard(
    out: Folder, port: Annotated[int, typer.Option(help="Port on this machine; 0 chooses a free one.")] = 6006
) -> None:
    """Compare a study's trials in TensorBoard."""
    from search_spaces.trials.study_dir import StudyDir

    logs = StudyDir.open(out).tensorboard
    os.execv(
        sys.executable,
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port", str(port)],
    )


@app.command()
def reference() -> None:
    """Print every key of a study file in Markdown: default, range and meaning; also all samplers and tasks."""
    from cluster.reference import reference_page

    sys.stdout.write(reference_page())


def main() -> None:
    """Entry point: a user's mistake is one line and an exit code, never a traceback."""
    try:
        app()
    except TunefleetError as error:
        _complain(f"error: {error}")
        sys.exit(error.exit_code)


def _overrides(settings: list[str]) -> dict[str, Any]:
    from search_spaces.study.yaml_file import parse_yaml

    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise StudyError(f"--set: must be KEY=VALUE with a dotted key, got '{setting}'")
        found[key] = parse_yaml(value, f"--set {key}")
    return found


def _print_result(result: StudyResult, folder: Path) -> None:
    summary = result.summary()
    counts: dict[str, int] = {}
    for trial in summary["trials"]:
        counts[trial["state"].lower()] = counts.get(trial["state"].lower(), 0) + 1
    listed = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    _say(f"\nstudy {summary['study']}: {summary['state']} ({listed or 'no trials yet'})")
    if summary["ended_by"] is not None:
        _say(f"ended by {summary['ended_by']}")
    if summary["best"] is not None:
        best = result.best
        _say(f"best trial {best.number}: {result.objectives[0].name} {best.value:.5g} at epoch {best.epoch}")
        if best.schedule:
            changes = ", ".join(str(epoch) for epoch, _ in best.schedule[1:])
            _say(f"  hyperparameters, as changed after epochs {changes}:")
        for name, value in best.params.items():
            _say(f"  {name:<18} {value:.6g}" if isinstance(value, float) else f"  {name:<18} {value}")
    if "pareto" in summary:
        _print_front(result.pareto)
    if summary["refit"] is not None:
        for split, metrics in summary["refit"].items():
            for line in _metric_lines(metrics):
                _say(f"{split} {line}")
    if summary["state"] == "interrupted":
        _say(f"go on with: tunefleet resume {shlex.quote(str(folder))}")
    if summary["state"] == "finished":
        _say(f"\nreport:     {result.dir.report_page}")
        _say(f"compare:    tunefleet tensorboard {shlex.quote(str(folder))}")
        from search_spaces.study.fields import without_password

        database = without_password(result.study.database or folder / result.dir.journal.name)
        _say(f"dashboard:  optuna-dashboard {shlex.quote(database)}")


def _print_front(trials: list[ParetoTrial]) -> None:
    from analysis.pareto import table

    heads, rows = table(trials, most=FRONT_PARAMETERS)
    cells = [
        heads,
        *([f"{c:.5g}" if isinstance(c, float) else "" if c is None else str(c) for c in row] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    _say(
        f"Pareto front: {len(trials)} trial{'s' if len(trials) != 1 else ''}"
        + (", no other beats any of them" if trials else "")
    )
    for line in cells[: FRONT_ROWS + 1] if trials else []:
        _say("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    if len(trials) > FRONT_ROWS:
        _say(f"  and {len(trials) - FRONT_ROWS} more, see --json")


def _metric_lines(metrics: dict[str, float]) -> list[str]:
    lines = []
    for name, value in metrics.items():
        if name.endswith(("_min", "_max", "_ensemble")):
            continue  # of the metric before; no task may call its own so
        line = f"{name} {value:.5g}"
        if f"{name}_ensemble" in metrics:
            low, high, together = (metrics[f"{name}_{what}"] for what in ("min", "max", "ensemble"))
            line += f" (median; seeds from {low:.5g} to {high:.5g}; ensemble {together:.5g})"
        lines.append(line)
    return lines


def _console() -> Console:
    return Console()


def _complain(text: str) -> None:
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True, style="red")


def _say(text: str) -> None:
    _console().print(text, markup=False, highlight=False, soft_wrap=True)
