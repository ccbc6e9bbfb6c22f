"""Limits of a search: which one is reached, what may still be proposed, and what becomes of the rest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from search_spaces.errors import StudyError
from search_spaces.study.study import Study
from search_spaces.trials.database import memory_database
from search_spaces.trials.limits import UNBOUNDED, Limits, Tally
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import NOTE_SECONDS, Proposer

SPACE = {"x": {"low": 0.0, "high": 1.0}, "kind": ["a", "b"]}
DONE, PRUNED, FAILED, RUNNING = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING
NO_TIME = 1e-9


def study(search: dict[str, Any] | None = None, **limits: Any) -> Study:
    """A study with limits, and no number of trials but theirs."""
    return Study(
        task="digits",
        space=SPACE,
        search={"seed": 0, **(search or {})},
        limits=limits,
        task_options={"epochs": 10},
    )


def trial(state: TrialState, value: float | None = None, epochs: int = 10) -> Outcome:
    curve = tuple((epoch, 9.0) for epoch in range(1, epochs + 1)) if state is not RUNNING else ()
    return Outcome(0, state, value, curve)


def done(number: int, value: float, epochs: int = 10) -> Outcome:
    return Outcome(number, TrialState.COMPLETE, value, ((epochs, value),), best_epoch=epochs)


TRIALS = [
    trial(DONE, 3.0),
    trial(FAILED, epochs=0),
    trial(DONE, 2.0, epochs=5),
    trial(DONE, 2.0),
    trial(PRUNED, 0.5, epochs=4),
    trial(PRUNED, epochs=0),
    trial(RUNNING),
]


@pytest.mark.parametrize(("mode", "stale"), [("min", 2), ("max", 4)])
def test_a_tally(mode: Any, stale: int) -> None:
    # The failure costs an epoch; the trial that was never begun costs nothing, and says nothing about progress.
    tally = Tally.of(TRIALS, 7.0, Objective(mode=mode))
    assert tally == Tally(proposed=7, running=1, completed=3, epochs=10 + 1 + 5 + 10 + 4, stale=stale, seconds=7.0)


@pytest.mark.parametrize(
    ("limits", "tally", "room", "sentence"),
    [
        ({}, Tally(proposed=5), 15, None),
        ({}, Tally(proposed=20), 0, "search.trials: all 20 trials have ended"),
        ({"epochs": 100}, Tally(), 10, None),
        ({"epochs": 101}, Tally(), 11, None),
        ({"epochs": 100}, Tally(proposed=4, running=3, epochs=10), 6, None),
        ({"epochs": 100}, Tally(proposed=12, running=2, epochs=85), 0, None),
        ({"epochs": 100}, Tally(proposed=12, epochs=99), 1, None),
        ({"epochs": 100}, Tally(proposed=12, epochs=105), 0, "limits.epochs: 105 epochs are trained, of 100"),
        ({"no_improvement": 5}, Tally(proposed=9, running=2, stale=2), 1, None),
        ({"no_improvement": 5}, Tally(proposed=9, running=3, stale=2), 0, None),
        (
            {"no_improvement": 5},
            Tally(proposed=9, stale=5),
            0,
            "limits.no_improvement: 5 trials in a row brought no better value",
        ),
        ({"minutes": 0.5}, Tally(proposed=3, seconds=29.9), 17, None),
        ({"minutes": 0.5}, Tally(proposed=3, seconds=30), 0, "limits.minutes: 0.5 minutes of search are over"),
        ({"minutes": 0.5}, Tally(proposed=3, running=1, seconds=30), 0, None),
        ({"minutes": 0.5}, Tally(seconds=30), 20, "limits.minutes: 0.5 minutes of search are over"),
    ],
)
def test_room_and_sentence(limits: dict[str, Any], tally: Tally, room: int, sentence: str | None) -> None:
    one = Limits(**limits)
    assert one.room(tally, trials=20, epochs=10) == room
    assert one.reached(tally, trials=20) == sentence


def test_trials_may_stand_in_either_place(tmp_path: Path) -> None:
    one = study(trials=7)
    assert (one.search.trials, one.limits.trials, one.trials) == (7, None, 7)
    assert study({"trials": 7}, trials=7) == one
    path = tmp_path / "s.yaml"
    path.write_text(
        "task: digits\nspace: {x: [1, 2]}\nlimits: {trials: 7, minutes: 3}\nprofiles: {quick: {search.trials: 2}}\n"
    )
    assert (Study.load(path).trials, Study.load(path, profile="quick").trials) == (7, 2)
    assert [Study.load(path, {key: 5}, "quick").trials for key in ("limits.trials", "search.trials")] == [5, 5]
    path.write_text(Study.load(path).to_yaml())
    assert Study.load(path).trials == 7 and Study.load(path).limits == Limits(minutes=3)


@pytest.mark.parametrize("limit", [{"minutes": 1}, {"epochs": 50}, {"no_improvement": 3}])
def test_another_limit_stands_in_for_the_number_of_trials(limit: dict[str, Any], tmp_path: Path) -> None:
    one = study(**limit)
    assert one.trials == UNBOUNDED and not one.bounded
    (tmp_path / "s.yaml").write_text(one.to_yaml())
    assert Study.load(tmp_path / "s.yaml") == one
    grid = Study(task="digits", space={"x": [1, 2, 3]}, search={"sampler": "grid"}, limits=limit)
    assert grid.trials == 3 and grid.bounded


@pytest.mark.parametrize(
    ("search", "limits", "message"),
    [
        ({}, {}, "search.trials: sampler 'random' needs a number of trials, got none; limits.minutes or"),
        ({"trials": 3}, {"trials": 4}, "limits.trials: must be search.trials (3) where both are given, got 4"),
        ({}, {"trials": 0}, "limits.trials: must be a whole number from 1 to 10 000 000, got 0"),
        ({}, {"minutes": 0}, "limits.minutes: must be a number above 0, at most 10 000 000, got 0"),
        ({}, {"minutes": math.inf}, "limits.minutes: must be a number above 0, at most 10 000 000, got inf"),
        ({}, {"minutes": "3"}, "limits.minutes: must be a number above 0, at most 10 000 000, got '3'"),
        ({}, {"epochs": 1.5}, "limits.epochs: must be a whole number from 1 to 10 000 000, got 1.5"),
        ({}, {"minuts": 1}, "limits: unknown key 'minuts'; did you mean 'minutes'?"),
    ],
)
def test_wrong_limits(search: dict[str, Any], limits: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        study(search, **limits)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def searched(one: Study, values: list[float], epochs: int = 10, pending: int = 3) -> Proposer:
    """Run a study whose trials have these values, so many at once, until nothing more may be proposed."""
    proposer, waiting = Proposer(one, memory_database("study", [Objective()])), []
    while True:
        waiting += proposer.ask(pending - len(waiting))
        if not waiting:
            return proposer
        first = waiting.pop(0)
        proposer.tell(done(first.number, values[first.number], epochs))


@pytest.mark.parametrize("epochs", [10, 3])
@pytest.mark.parametrize("pending", [1, 3])
def test_epochs_are_overshot_by_less_than_a_trial(epochs: int, pending: int) -> None:
    """Also where trials stop early, so that there is room for more of them than it seemed."""
    proposer = searched(study(epochs=95), [1.0] * 99, epochs, pending)
    assert 95 <= proposer.tally.epochs < 95 + 10
    assert (proposer.ended_by or "").startswith("limits.epochs: ")


@pytest.mark.parametrize("pending", [1, 3, 50])
def test_no_improvement_ends_at_the_same_trial_however_many_are_pending(pending: int) -> None:
    values = [9, 8, 8, 8, 7, 7, 7, 7, 7, 7, 1, 1, 1]
    proposer = searched(study(no_improvement=4), [float(v) for v in values], pending=pending)
    assert proposer.tally.proposed == 9
    assert proposer.ended_by == "limits.no_improvement: 4 trials in a row brought no better value"


def test_time_is_kept_over_runs_and_pauses_do_not_count() -> None:
    database, one = memory_database("study", [Objective()]), study(minutes=10)
    first = Proposer(one, database)
    (trial,) = first.ask(1)
    first.start_clock()
    first._started = (first._started or 0) - 90  # a minute and a half ago
    first.tell(done(trial.number, 1.0))
    assert database.seconds == pytest.approx(90, abs=NOTE_SECONDS)  # and then it is killed
    second = Proposer(one, database)
    assert second.seconds == database.seconds
    second.start_clock()
    assert second.deadline == pytest.approx((second._started or 0) + 510, abs=2)
    second.stop_clock()
    assert database.seconds == pytest.approx(90, abs=2)


def test_a_random_study_that_is_extended_proposes_what_the_longer_one_does() -> None:
    whole = Proposer(study(trials=20), memory_database("study", [Objective()])).ask(20)
    database = memory_database("study", [Objective()])
    first = Proposer(study(trials=10), database)
    begun = [*first.ask(20)]
    for proposal in begun:
        first.tell(done(proposal.number, proposal.params["x"]))
    assert first.ended_by == "search.trials: all 10 trials have ended"
    begun += Proposer(study(trials=20), database).ask(20)
    assert begun == whole
