"""Warm start: completed trials of an earlier study inform the sampler of this one.

They are copied into the study's own storage, as a second Optuna study: a resumed study needs neither the old one nor
that it is unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.errors import StudyError
from search_spaces.space import Space
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.objectives import Objective

SUFFIX = "/warm-start"
"""What the copy's name adds to the study's, which itself may hold no slash."""

_WHOLE = "complete"
"""User attribute that marks a finished copy: one without it was interrupted, and is made anew."""


def completed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that can inform a sampler."""
    return [t for t in trials if t.state is TrialState.COMPLETE and t.value is not None and math.isfinite(t.value)]


def fitting(trials: Sequence[FrozenTrial], space: Space) -> tuple[list[FrozenTrial], str]:
    """Completed trials as trials of this space; those that lie outside it are left out.

    Returns:
        The trials that fit, and why the first of the others does not.
    """
    fit: list[FrozenTrial] = []
    why = ""
    for trial in trials:
        try:
            params = space.whole(trial.params)
        except StudyError as error:
            why = why or str(error)
            continue
        distributions = {name: space.by_name[name].distribution for name in params}
        fit.append(create_trial(value=trial.value, params=params, distributions=distributions))
    return fit, why


def remembered(storage: BaseStorage, name: str, objective: Objective) -> list[FrozenTrial] | None:
    """The trials that :func:`remember` copied for a study; None if it has not done so to its end."""
    try:
        copy = storage.get_study_id_from_name(name + SUFFIX)
    except KeyError:
        return None
    if not storage.get_study_user_attrs(copy).get(_WHOLE):
        return None
    return TrialDatabase(storage, name + SUFFIX, [objective]).trials()


def remember(storage: BaseStorage, name: str, objective: Objective, trials: Sequence[FrozenTrial]) -> None:
    """Copy trials into the storage of the study ``name``, in place of what there may be of an earlier attempt."""
    with suppress(KeyError):
        storage.delete_study(storage.get_study_id_from_name(name + SUFFIX))
    database = TrialDatabase(storage, name + SUFFIX, [objective])
    for trial in trials:
        database.add(trial)
    storage.set_study_user_attr(storage.get_study_id_from_name(name + SUFFIX), _WHOLE, True)
