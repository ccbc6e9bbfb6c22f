"""Limits, extended studies and warm starts, from the first trial to the report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from analysis.result import StudyResult
from cluster.runner import resume, run
from cluster.warm_start import past_trials
from search_spaces.errors import StudyError
from search_spaces.study.study import Study
from search_spaces.trials.best import write_metrics
from search_spaces.trials.database import TrialDatabase, memory_database
from search_spaces.trials.journal import open_storage
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.study_dir import StudyDir
from tests.cluster.study_files import digits_study


def test_a_finished_study_is_extended(tmp_path: Path) -> None:
    earlier(tmp_path, 2, task_options={"epochs": 2})
    folder = StudyDir.open(tmp_path / "old")
    write_metrics(folder, {}, {"before": 1.0})
    first = StudyResult(folder)
    assert (first.state, first.ended_by) == ("finished", "search.trials: all 3 trials have ended")
    for changes, message in (
        ({"trials": 2}, "search.trials: this study has used 3 trials already, got 2"),
        ({"minutes": 5.0}, "limits.minutes: this study has no such limit to extend, got 5"),
    ):
        with pytest.raises(StudyError) as error:
            resume(folder.root, **changes)  # type: ignore[arg-type]
        assert str(error.value) == message
    assert StudyResult(folder).state == "finished" and StudyResult(folder).study.trials == 3
    extended = resume(folder.root, trials=5)
    assert (extended.state, extended.study.trials, len(extended.trials)) == ("finished", 5, 5)
    assert set(extended.refit.test) == {"loss", "accuracy"} and folder.report_page.is_file()
    assert [t.params for t in extended.frozen_trials[:3]] == [t.params for t in first.frozen_trials]


@pytest.mark.slow
def test_time_ends_a_warm_started_search(tmp_path: Path) -> None:
    earlier(tmp_path)
    said: list[str] = []
    search = {"trials": None, "sampler": "tpe", "warm_start": str(tmp_path / "old")}
    study = digits_study(search, task_options={"epochs": 2}, limits={"minutes": 0.001})
    result = run(study, out=tmp_path / "a", listener=_listener(said))
    over = "limits.minutes: 0.001 minutes of search are over"
    assert (result.state, result.ended_by) == ("finished", over)
    assert f"the search is over, {over}" in said
    states = list(result.trials.state)
    assert "COMPLETE" in states and set(states) <= {"COMPLETE", "PRUNED"}
    assert float(result.optuna_study.user_attrs["search_seconds"]) >= 0.06
    names = optuna.get_all_study_names(open_storage(result.dir.journal, None))
    assert sorted(names) == ["small", "small/warm-start"]
    journal = result.dir.journal.read_bytes()
    shutil.rmtree(tmp_path / "old")
    assert resume(tmp_path / "a").summary() == result.summary()
    assert result.dir.journal.read_bytes() == journal


def test_an_interrupted_study_whose_time_is_over_is_refitted(tmp_path: Path) -> None:
    earlier(tmp_path, 1, limits={"minutes": 1.0}, task_options={"epochs": 2}, pending=3)
    assert StudyResult(tmp_path / "old").state == "interrupted"
    result = resume(tmp_path / "old")
    assert list(result.trials.state) == ["FAIL", "COMPLETE", "PRUNED", "PRUNED", "PRUNED"]
    assert result.state == "finished" and result.ended_by == "limits.minutes: 1 minutes of search are over"


def _listener(said: list[str]) -> Any:
    from cluster.listener import Listener

    class Listening(Listener):
        def message(self, text: str) -> None:
            said.append(text)

    return Listening()


def earlier(
    folder: Path, values: int = 4, database: str | None = None, name: str = "old", pending: int = 0, **sections: Any
) -> Study:
    """An earlier study of a minute, with a trial that failed, so many completed ones, and others that were killed."""
    study = digits_study({"trials": values + 1 + 5 * pending}, name=name, database=database, **sections)
    where = StudyDir.create(folder / name, study)
    trials = TrialDatabase(open_storage(where.journal, database), name, [Objective()])
    proposer = Proposer(study, trials)
    trials.note_seconds(61)
    for proposal in proposer.ask(values + 1 + pending)[: values + 1]:
        state = TrialState.COMPLETE if proposal.number else TrialState.FAIL
        proposer.tell(Outcome(proposal.number, state, float(proposal.number), ((1, 1.0),), best_epoch=1))
    return study


def warm(source: str, **sections: Any) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    study = digits_study({"sampler": "tpe", "warm_start": source}, **sections)
    storage = memory_database("small", [Objective()]).storage
    found = past_trials(study, storage, Objective(), said.append, fresh=True)
    again = past_trials(study, storage, Objective(), said.append, fresh=False)
    assert [t.params for t in again] == [t.params for t in found]
    return found, said


def test_trials_of_a_folder_and_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    earlier(tmp_path)
    url = f"sqlite:///{tmp_path / 'all.db'}"
    earlier(tmp_path, database=url, name="in-db")
    for source, name in (("old", str(tmp_path / "old")), (url, url), ("sqlite:///all.db", url)):
        found, said = warm(source)
        assert [t.value for t in found] == [1.0, 2.0, 3.0, 4.0]
        assert said == [f"warm start: 4 of 4 completed trials of {name} fit this space"]
    earlier(tmp_path, 2, url, "other")
    assert len(warm(f"{url}#other")[0]) == 2


def test_those_that_fit_are_counted(tmp_path: Path) -> None:
    earlier(tmp_path, 9)
    space = {**digits_study().space, "width": [8]}
    found, said = warm(str(tmp_path / "old"), space=space)
    assert 0 < len(found) < 9 and {t.params["width"] for t in found} == {8}
    assert said == [f"warm start: {len(found)} of 9 completed trials of {tmp_path / 'old'} fit this space"]


WRONG: dict[str, tuple[Callable[[Path], str], dict[str, Any]]] = {
    "{0}/none: holds no study (there is no study.yaml in it)": (lambda p: f"{p}/none", {}),
    "there is no database {0}/none.db": (lambda p: f"sqlite:///{p}/none.db", {}),
    "sqlite:///{0}/junk.db cannot be read as an Optuna database, ": (lambda p: f"sqlite:///{p}/junk.db", {}),
    "add #NAME to sqlite:///{0}/all.db, which holds 2 studies: in-db, other": (lambda p: f"sqlite:///{p}/all.db", {}),
    "sqlite:///{0}/all.db holds no study 'it'; it has: in-db, other": (lambda p: f"sqlite:///{p}/all.db#it", {}),
    "none of the 4 completed trials of {0}/old fits this space, the first because of width: must be": (
        lambda p: f"{p}/old",
        {"space": {"width": [4, 5]}},
    ),
    "no trial of {0}/failed has completed": (lambda p: f"{p}/failed", {}),
    "nowhere://x cannot be read as an Optuna database, ": (lambda p: "nowhere://x", {}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_warm_start_is_one_line(message: str, tmp_path: Path) -> None:
    earlier(tmp_path)
    earlier(tmp_path, 0, name="failed")
    url = f"sqlite:///{tmp_path / 'all.db'}"
    for name in ("in-db", "other"):
        earlier(tmp_path, 1, url, name)
    (tmp_path / "junk.db").write_bytes(b"junk" * 100)
    source, sections = WRONG[message]
    with pytest.raises(StudyError) as error:
        warm(source(tmp_path), **sections)
    assert str(error.value).startswith("search.warm_start: " + message.format(tmp_path))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "none.db").exists() and not (tmp_path / "none").exists()


def test_another_metric_is_refused(tmp_path: Path) -> None:
    earlier(tmp_path)
    study = digits_study({"sampler": "tpe", "warm_start": str(tmp_path / "old")})
    with pytest.raises(StudyError, match=r"the value of this study is val_loss, that of .*old loss$"):
        past_trials(study, memory_database("small", [Objective()]).storage, Objective("val_loss"), print, fresh=True)


def test_another_direction_is_refused(tmp_path: Path) -> None:
    earlier(tmp_path)
    study = digits_study({"sampler": "tpe", "warm_start": str(tmp_path / "old")})
    with pytest.raises(StudyError, match=r"the values of this study are maximized, those of .*old minimized$"):
        past_trials(
            study,
            memory_database("small", [Objective(mode="max")]).storage,
            Objective("accuracy", "max"),
            print,
            fresh=True,
        )
