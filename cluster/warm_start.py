"""Finding the earlier study that ``search.warm_start`` names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial

from analysis.result import StudyResult
from search_spaces.errors import StudyError, TunefleetError, reason
from search_spaces.study.fields import without_password
from search_spaces.study.study import Study
from search_spaces.trials.objectives import Objective
from search_spaces.trials.warm_start import SUFFIX, completed, fitting, remember, remembered


def past_trials(
    study: Study, storage: BaseStorage, objective: Objective, say: Callable[[str], None], fresh: bool
) -> list[FrozenTrial]:
    """The trials of an earlier study that inform this one; none without ``search.warm_start``.

    A study that goes on has its own copy of them; a fresh one makes it, and says how many there are.

    Raises:
        StudyError: if there is no such study, its metric or direction is another, or none of its trials fits the space.
    """
    source = study.search.warm_start
    if source is None:
        return []
    if not fresh and (known := remembered(storage, study.name, objective)) is not None:
        return known
    earlier, shown = _find(source), without_password(source)
    if earlier.directions != [objective.direction]:
        ours, *theirs = (f"{one.name.lower()}d" for one in (objective.direction, *earlier.directions))
        raise StudyError(
            f"search.warm_start: the values of this study are {ours}, those of {shown} {' and '.join(theirs)}"
        )
    names = earlier.metric_names  # an Optuna study of another program may have none
    if names and names != [objective.name]:
        raise StudyError(f"search.warm_start: the value of this study is {objective.name}, that of {shown} {names[0]}")
    trials = completed(earlier.get_trials(deepcopy=False))
    if not trials:
        raise StudyError(f"search.warm_start: no trial of {shown} has completed")
    fit, why = fitting(trials, study.search_space)
    if not fit:
        raise StudyError(
            f"search.warm_start: none of the {len(trials)} completed trials of {shown} fits this space, the first "
            f"because of {why}"
        )
    remember(storage, study.name, objective, fit)
    say(f"warm start: {len(fit)} of {len(trials)} completed trials of {shown} fit this space")
    return remembered(storage, study.name, objective) or []


def _find(source: str) -> optuna.Study:
    if "://" not in source:
        return _in_folder(Path(source))
    url, _, name = source.partition("#")
    shown = without_password(url)
    file = Path(url.removeprefix("sqlite:///").partition("?")[0])
    if url.startswith("sqlite:///") and not file.is_file():  # which Optuna would make
        raise StudyError(f"search.warm_start: there is no database {file}")
    try:
        storage = RDBStorage(url, skip_table_creation=True)
        names = sorted(one.study_name for one in storage.get_all_studies() if not one.study_name.endswith(SUFFIX))
    except Exception as error:  # whatever the database's driver raises
        raise StudyError(f"search.warm_start: {shown} cannot be read as an Optuna database, {reason(error)}") from error
    listed = ", ".join(names) or "none"
    if name and name not in names:
        raise StudyError(f"search.warm_start: {shown} holds no study '{name}'; it has: {listed}")
    if not name and len(names) != 1:
        raise StudyError(f"search.warm_start: add #NAME to {shown}, which holds {len(names)} studies: {listed}")
    return optuna.load_study(study_name=name or names[0], storage=storage)


def _in_folder(folder: Path) -> optuna.Study:
    try:
        result = StudyResult(folder)
        if not result.frozen_trials:
            raise StudyError(f"{folder}: this study has no trials yet")
        return result.optuna_study
    except TunefleetError as error:
        raise StudyError(f"search.warm_start: {error}") from error
