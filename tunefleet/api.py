"""Running a study from a script or a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cluster.runner
from analysis.result import StudyResult
from search_spaces.errors import StudyError
from search_spaces.study.study import Study
from trainables.task import Task

SHORT = {"trials": "search.trials", "seed": "search.seed"}
"""Keys of a study that may be given by their last word."""


def run(
    study: Study | Task | str | Path,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    address: str | None = None,
    engine: str | None = None,
    **sections: Any,
) -> StudyResult:
    """Search, refit the best configuration, test it, write the report.

    Args:
        study: a task object, the path of a study file, the name of a shipped study, or a ``Study``.
        out: the study's folder, which must not hold a study yet; ``results/<name>`` by default.
        data: folder of the task's data files.
        address: of a Ray cluster; by default Ray is started on this machine.
        engine: what trains the trials, in place of the study's ``resources.engine``.
        sections: any section of a study file, such as ``space={"lr": {"low": 1e-4, "high": 0.1, "log": True}}``,
            ``search={"sampler": "tpe"}`` or ``task_options={"epochs": 20}``; also ``trials`` and ``seed``, short for
            those keys of ``search``. They replace the sections of a study file. A ``Study`` has its own.

    Returns:
        The result, with ``best``, ``trials`` and ``refit``.

    Raises:
        TunefleetError: in one line, for anything that the user can mend.
    """
    return cluster.runner.run(_study(study, sections), out=out, data=data, address=address, engine=engine)


def _study(study: Study | Task | str | Path, sections: Mapping[str, Any]) -> Study:
    if isinstance(study, Study):
        if sections:
            raise StudyError(f"{', '.join(sections)}: a Study has its sections already; give them where it is made")
        return study
    short = {dotted: sections[key] for key, dotted in SHORT.items() if key in sections}
    whole = {key: value for key, value in sections.items() if key not in SHORT}
    if isinstance(study, str | Path):
        return Study.load(study, {**whole, **short})
    if short:
        whole["search"] = {**whole.get("search", {}), **{k.removeprefix("search."): v for k, v in short.items()}}
    return Study(task=study, **whole)
