"""The trial database: each trial finished once, and a journal that survives its writer."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.errors import OutputError
from search_spaces.study.fields import without_password
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.journal import open_storage, repair_journal
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome

CURVE = tuple((e, 1 / e) for e in range(1, 151))


def opened(path: Path, rungs: tuple[int, ...] = ()) -> TrialDatabase:
    """The database in a journal file."""
    return TrialDatabase(open_storage(path, None), "study", [Objective()], rungs)


def running(lr: float) -> FrozenTrial:
    """A trial that has been proposed."""
    return create_trial(state=TrialState.RUNNING, params={"lr": lr}, distributions={"lr": FloatDistribution(0, 1)})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with two running trials."""
    path = tmp_path / "trials.journal"
    database = opened(path)
    for lr in (0.1, 0.2):
        database.add(running(lr))
    return path


def test_a_trial_runs_and_is_finished_once(journal: Path) -> None:
    database = opened(journal, rungs=(7, 77))
    assert [(t.number, t.state, t.params) for t in database.trials()] == [
        (0, TrialState.RUNNING, {"lr": 0.1}), (1, TrialState.RUNNING, {"lr": 0.2})
    ]  # fmt: skip
    database.report(1, 7, 0.5)
    done = Outcome(1, TrialState.COMPLETE, 0.01, CURVE, 150, {"accuracy": 0.9, "kfold_best": 0.005}, seconds=1.23456)
    database.finish(done)
    trial = opened(journal).trials()[1]
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.01)
    assert trial.user_attrs == {
        "accuracy": 0.9,
        "kfold_best": 0.005,
        "epochs": 150,
        "seconds": 1.2346,
        "best_epoch": 150,
    }
    assert len(trial.intermediate_values) <= 30
    assert {1, 7, 77, 150} <= set(trial.intermediate_values)
    assert trial.intermediate_values[7] == 0.5, "what was reported stays"
    with pytest.raises(UpdateFinishedTrialError):
        database.finish(done)


def test_pruned_and_failed_trials(journal: Path) -> None:
    database = opened(journal)
    database.finish(Outcome(0, TrialState.PRUNED, 0.3, ((1, 0.2), (2, 0.3)), 2))
    database.finish(Outcome(1, TrialState.FAIL, 0.2, ((1, 0.2),), reason="it broke"))
    pruned, failed = opened(journal).trials()
    assert (pruned.state, pruned.value) == (TrialState.PRUNED, 0.3)
    assert (failed.state, failed.value, failed.user_attrs["reason"]) == (TrialState.FAIL, None, "it broke")


def test_a_trial_that_was_stopped_has_not_passed_wherever_the_kill_hits(journal: Path) -> None:
    database = opened(journal, rungs=(2, 4))
    database.report(0, 2, 0.2)
    before = len(journal.read_bytes().splitlines())
    database.finish(Outcome(0, TrialState.PRUNED, 0.4, tuple((e, e / 10) for e in range(1, 5)), 4))
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(before, len(lines)):
        journal.write_bytes(b"".join(lines[:kept]))
        trial = opened(journal).trial(0)
        assert (
            trial.state is TrialState.RUNNING
            and dict(Outcome.of(trial).curve)[2] == 0.2
            and 4 not in dict(Outcome.of(trial).curve)
        )
    assert kept > before + 4 and 4 in trial.intermediate_values and dict(Outcome.of(database.trial(0)).curve)[4] == 0.4


def test_optuna_reads_it(journal: Path) -> None:
    opened(journal).finish(Outcome(0, TrialState.COMPLETE, 0.5, ((1, 0.5),), 1))
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name="study", storage=storage)
    assert study.best_trial.number == 0
    assert study.direction is optuna.study.StudyDirection.MINIMIZE


@pytest.mark.parametrize("torn", [b'{"op_code":8,"wor', b'{"op_code":8,"wor\n', b"\x00" * 40, b"{"])
def test_a_torn_last_line_is_cut(journal: Path, torn: bytes) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole + torn)
    assert repair_journal(journal) == len(torn)
    assert journal.read_bytes() == whole
    database = opened(journal)
    database.finish(Outcome(1, TrialState.COMPLETE, 0.5, ((1, 0.5),), 1))
    assert opened(journal).trials()[1].state is TrialState.COMPLETE


def test_every_possible_tear_of_the_last_line(journal: Path) -> None:
    whole = journal.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for end in range(last, len(whole)):
        journal.write_bytes(whole[:end])
        assert repair_journal(journal) == end - last
        assert len(opened(journal).trials()) == 1


def test_a_whole_journal_is_left_alone(journal: Path) -> None:
    before = journal.read_bytes()
    assert repair_journal(journal) == 0
    assert journal.read_bytes() == before


def test_a_writer_killed_in_its_first_line_leaves_an_empty_journal(tmp_path: Path) -> None:
    path = tmp_path / "trials.journal"
    opened(path)
    first = path.read_bytes().splitlines(keepends=True)[0]
    for end in (0, 1, 5, 15, len(first) - 1):
        path.write_bytes(first[:end])
        assert repair_journal(path) == end
        assert opened(path).trials() == []


def test_a_dead_writers_lock_is_removed(journal: Path) -> None:
    JournalFileSymlinkLock(str(journal)).acquire()
    assert any(os.path.islink(p) for p in journal.parent.iterdir())
    repair_journal(journal)
    assert sorted(p.name for p in journal.parent.iterdir()) == ["trials.journal"]
    opened(journal).finish(Outcome(0, TrialState.FAIL))


def test_nothing_to_repair(tmp_path: Path) -> None:
    assert repair_journal(tmp_path / "none.journal") == 0
    (tmp_path / "empty.journal").touch()
    assert repair_journal(tmp_path / "empty.journal") == 0


@pytest.mark.parametrize("content", [b"hello\nworld\n", b"hello", b"3\n", b'{"a": 1}\n', b"\x80\x02\n", b"\n\n"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trials.journal"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=r"trials\.journal: is not a trial journal of Optuna$"):
        repair_journal(path)
    assert path.read_bytes() == content


def test_storages_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="^nonsense://x: cannot be opened as a trial database"):
        open_storage(tmp_path / "x", "nonsense://x")
    with pytest.raises(OutputError, match="cannot be opened as a trial database"):
        open_storage(tmp_path / "no" / "folder" / "x", None)


def test_messages_show_no_password(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^postgresql://me:\*\*\*@127\.0\.0\.1:1/trials: cannot be opened") as error:
        open_storage(tmp_path / "unused", "postgresql://me:secret@127.0.0.1:1/trials")
    assert "secret" not in str(error.value)
    assert without_password("sqlite:////a@b/c.db") == "sqlite:////a@b/c.db"


def test_an_rdb_url_works_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    database = TrialDatabase(open_storage(tmp_path / "unused", url), "study", [Objective(mode="max")])
    database.add(running(0.1))
    database.finish(Outcome(0, TrialState.COMPLETE, 0.5, ((1, 0.5),), 1))
    assert optuna.load_study(study_name="study", storage=url).best_value == 0.5
    assert not (tmp_path / "unused").exists()
