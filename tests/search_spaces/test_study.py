"""Study files: resolved, overridden, written and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from search_spaces.errors import StudyError
from search_spaces.study.study import Study, shipped_studies

MINIMAL = {"task": "digits", "space": {"lr": {"low": 1e-4, "high": 0.1, "log": True}}, "search": {"trials": 3}}


def study(**changes: Any) -> Study:
    """The smallest study, changed."""
    return Study(**{**MINIMAL, **changes})


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    """A study file."""
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    first = Study.load(name)
    second = Study.load(written(tmp_path, first.to_yaml()))
    assert second == first.model_copy(update={"search": second.search})
    assert second.trials == first.trials
    assert second.to_yaml() == first.to_yaml()
    assert first.name == name


def test_everything_survives_a_round_trip(tmp_path: Path) -> None:
    first = study(
        name="x-1.2",
        task_options={"folds": 3, "epochs": 50, "own": [1, None], "other": {"a": 1e-7}},
        space={"a": None, "b": {"value": None}, "c": [None, "1e-4", "yes", 1e-4, "é"], "d": {"low": 1e-12, "high": 1.0},
               "e": {"choices": [1, 2], "when": {"c": None}}},
        search={"sampler": "optuna", "trials": 7},
        early_stopping={"asha": {"grace_period": 2, "reduction_factor": 2.5}, "patience": 4},
        resources={"cpu": 2, "gpu": 0.5},
        refit={"epochs": 9, "seeds": 2, "validation": 0.0},
        database="sqlite:///x.db",
    )  # fmt: skip
    assert Study.load(written(tmp_path, first.to_yaml())) == first


def test_defaults() -> None:
    one = study()
    assert (one.name, one.trials, one.search.sampler, one.resources.gpu) == ("study", 3, "random", "auto")
    assert (one.task_options.epochs, one.task_options.folds, one.refit.seeds) == (30, 1, 1)
    assert one.early_stopping.asha is None
    assert one.search.seed != study().search.seed, "a seed is drawn where none is given"


def test_the_number_of_trials() -> None:
    assert Study(task="digits").trials == 1
    assert Study(task="digits", space={"lr": 0.1}, search={"trials": 1}).trials == 1
    assert Study(task="digits", space={"lr": [0.1, 0.2]}, search={"sampler": "grid"}).trials == 2


def test_concurrency() -> None:
    assert study().concurrency(8) == 3
    assert study(search={"trials": 100, "sampler": "optuna"}).concurrency(4) == 8
    assert study(search={"trials": 100, "sampler": "optuna", "concurrency": 5}).concurrency(4) == 5


def test_names_and_module_folders_come_from_the_file(tmp_path: Path) -> None:
    shipped = Study.load(written(tmp_path, "task: digits"))
    own = Study.load(written(tmp_path, "task: mine:Task", "other.yml"))
    assert (shipped.name, shipped.module_dir) == ("mine", None)
    assert (own.name, own.module_dir) == ("other", str(tmp_path))


def test_overrides_by_dotted_path() -> None:
    one = Study.load("digits", {"search.trials": 2, "space.lr.high": 0.01, "refit.seeds": 1, "database": "sqlite://"})
    assert (one.trials, one.space["lr"]["high"], one.refit.seeds, one.database) == (2, 0.01, 1, "sqlite://")
    assert Study.load("digits").space["lr"]["high"] == 0.1
    with pytest.raises(StudyError, match=r"^space\.activation\.low: cannot be set, because space\.activation is \["):
        Study.load("digits", {"space.activation.low": 1})
    with pytest.raises(StudyError, match=r"^early_stopping\.asha: unknown key 'grace'; valid: grace_period"):
        Study.load("digits", {"early_stopping.asha.grace": 1})


PROFILED = """
task: digits
space: {lr: {low: 0.001, high: 0.1}, width: [4, 8]}
search: {trials: 9}
profiles:
  quick: {search.trials: 2, space.lr.high: 0.01, task_options: {epochs: 3}, early_stopping.asha.grace_period: 1}
  other: {search: {trials: 4, sampler: optuna}}
  empty: {}
"""


def test_a_profile_is_a_set_of_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, PROFILED)
    plain, quick, other = (Study.load(path, profile=name) for name in (None, "quick", "other"))
    assert (plain.name, plain.trials, plain.space["lr"]["high"], plain.task_options.epochs) == ("mine", 9, 0.1, 30)
    assert (quick.name, quick.trials, quick.space["lr"]["high"], quick.task_options.epochs) == (
        "mine-quick",
        2,
        0.01,
        3,
    )
    assert quick.early_stopping.asha and not plain.early_stopping.asha
    assert (other.name, other.trials, other.search.sampler) == ("mine-other", 4, "optuna")
    assert Study.load(path, profile="empty").space == plain.space


def test_overrides_win_over_a_profile(tmp_path: Path) -> None:
    path = written(tmp_path, PROFILED)
    quick = Study.load(path, {"search.trials": 5, "space.lr": 0.3, "name": "own"}, "quick")
    assert (quick.trials, quick.space, quick.name) == (5, {"lr": 0.3, "width": [4, 8]}, "own")
    assert quick.task_options.epochs == 3
    assert Study.load(path, {"search.trials": 5}, "other").trials == 5
    written(tmp_path, PROFILED + "  both: {search.trials: 6, search: {trials: 7}}\n")
    assert Study.load(path, {"search.trials": 5}, "both").trials == 5


def test_a_profile_is_resolved_before_the_study_is_written(tmp_path: Path) -> None:
    quick = Study.load(written(tmp_path, PROFILED), profile="quick")
    assert "profiles" not in quick.to_yaml()
    assert Study.load(written(tmp_path, quick.to_yaml(), "again.yaml")) == quick


@pytest.mark.parametrize(
    ("profiles", "name", "message"),
    [
        ("{quick: {}, full: {}}", "quikc", "--profile: unknown profile 'quikc'; did you mean 'quick'? (valid: full, quick)"),
        ("{}", "quick", "--profile: this study has none, got 'quick'"),
        ("{quick: 3}", None, "profiles: must map names to overrides such as {search.trials: 10}, got {'quick': 3}"),
        ("[quick]", None, "profiles: must map names to overrides such as {search.trials: 10}, got ['quick']"),
        ("", None, "profiles: must map names to overrides such as {search.trials: 10}, got None"),
        ("{quick: {serach.trials: 3}}", "quick", "study: unknown key 'serach'; did you mean 'search'?"),
        ("{quick: {space.width.low: 3}}", "quick", "space.width.low: cannot be set, because space.width is [4, 8]"),
        ("{'a b': {}}", "a b", "name: must be a text of letters, digits, dots, dashes and underscores, got 'mine-a b'"),
    ],
)  # fmt: skip
def test_wrong_profiles(profiles: str, name: str | None, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, PROFILED.split("profiles:")[0] + f"profiles: {profiles}\n")
    with pytest.raises(StudyError) as error:
        Study.load(path, profile=name)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_study_without_profiles_has_none(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="^--profile: this study has none, got 'quick'$"):
        Study.load(written(tmp_path, "task: digits"), profile="quick")


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_load_with_each_of_their_profiles(name: str) -> None:
    full = Study.load(name)
    profiles = yaml.safe_load(shipped_studies()[name].read_text())["profiles"]
    assert "quick" in profiles
    for profile in profiles:
        small = Study.load(name, profile=profile)
        assert small.name == f"{name}-{profile}"
        assert (small.task_options, small.trials, small.space) != (full.task_options, full.trials, full.space)
        assert small.task == full.task


AUTHORS = ("Mancini", "Zani", "Amri", "Taillandier", "Braghetto")


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_open_with_two_lines_about_their_origin(name: str) -> None:
    first, second, third, *_ = shipped_studies()[name].read_text().splitlines()
    assert first.startswith("# ") and second.startswith("# ") and not third.startswith("#")
    assert name.startswith("digits") or sum(author in first + second for author in AUTHORS) == 1


WRONG = [
    ({"taks": 1}, "study: unknown key 'taks'; did you mean 'task'? (valid: "),
    ({"task": 3}, "task: must be a non-empty text, got 3"),
    ({"task": ""}, "task: must be a non-empty text, got ''"),
    ({"name": "a b"}, "name: must be a text of letters, digits, dots, dashes and underscores, got 'a b'"),
    ({"space": [1]}, "space: must map parameter names to values, got [1]"),
    ({"space": {"lr": {"low": 2, "high": 1}}}, "space.lr: low must not exceed high"),
    ({"task_options": {"epochs": 0}}, "task_options.epochs: must be a whole number from 1 to 10 000 000, got 0"),
    ({"task_options": {"epochs": True}}, "task_options.epochs: must be a whole number from 1 to 10 000 000, got True"),
    ({"task_options": {"epochs": "3"}}, "task_options.epochs: must be a whole number from 1 to 10 000 000, got '3'"),
    ({"task_options": {"validation": 1.0}}, "task_options.validation: must be a number above 0, below 1, got 1.0"),
    ({"task_options": 3}, "task_options: must be a mapping with the keys epochs, folds, repeats, validation, split_seed, subset, got 3"),
    ({"search": {"sampler": "tpe2", "trials": 2}}, "search.sampler: unknown sampler 'tpe2'; "),
    ({"search": {"sampler": [1], "trials": 2}}, "search.sampler: must be random, grid, qmc, tpe, optuna, gp, cmaes or genetic, got [1]"),
    ({"search": {"trials": 1, "sede": 3}}, "search: unknown key 'sede'; did you mean 'seed'? (valid: "),
    ({"search": {"trials": 1, "seed": 2**32}}, "search.seed: must be a whole number from 0 to 4 294 967 295, got 4294967296"),
    ({"search": {}}, "search.trials: sampler 'random' needs a number of trials, got none"),
    ({"search": None}, "search: must be a mapping with the keys sampler, options, pbt, trials"),
    ({"search": {"sampler": "grid"}}, "space.lr: a grid needs a list of choices or a range with a step"),
    ({"search": {"sampler": "grid", "trials": 3}, "space": {"lr": [1, 2]}}, "search.trials: the grid has only 2 points, got 3"),
    ({"space": {"lr": 1}}, "search.trials: a space with nothing to search has exactly one trial, got 3"),
    ({"early_stopping": {"asha": 3}}, "early_stopping.asha: must be a mapping with the keys grace_period, reduction_factor, got 3"),
    ({"early_stopping": {"asha": {"reduction_factor": 1}}}, "early_stopping.asha.reduction_factor: must be a number from 1.5 to 100, got 1"),
    ({"early_stopping": {"asha": {"grace_period": 30}}},
     "early_stopping.asha.grace_period: must be below task_options.epochs (30), got 30"),
    ({"resources": {"gpu": "some"}}, "resources.gpu: "),
    ({"resources": {"gpu": -1}}, "resources.gpu: must be a number of at least 0, or auto, got -1"),
    ({"refit": {"validation": -0.1}}, "refit.validation: must be a number of at least 0, below 1, got -0.1"),
    ({"search": {"trials": 3, "enqueue": [{"lr": 7}]}}, "search.enqueue[0].lr: must be between 0.0001 and 0.1, got 7"),
    ({"search": {"trials": 3, "enqueue": [{"rl": 7}]}}, "search.enqueue[0]: unknown parameter 'rl'; valid: lr"),
    ({"search": {"trials": 3, "enqueue": [3]}}, "search.enqueue[0]: must be a mapping, got 3"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[m for _, m in WRONG])
def test_errors_are_one_line_with_key_rule_and_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        study(**changes)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("junk", [None, 3, "x", [], {}, {"x": 1}, [{"x": 1}], -1.5, True, float("nan")])
@pytest.mark.parametrize("key", Study.model_fields)
def test_junk_anywhere_is_a_study_error_or_fine(key: str, junk: Any) -> None:
    try:
        study(**{key: junk})
    except StudyError as error:
        assert str(error).startswith(key) or key in ("search", "space")
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "a study file must be a mapping with the keys task and space, got list"),
        ("", "a study file must be a mapping with the keys task and space, got NoneType"),
        ("space: {}", "task: this key is required, and missing"),
        ("task: digits\n3: 4", "study: unknown key '3'"),
        ("task: digits\ntask: usps", "not valid YAML, line 2: key 'task' stands twice"),
    ],
)
def test_files_that_are_no_study(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError) as error:
        Study.load(written(tmp_path, text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_studies_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="^unknown study 'digit'; did you mean 'digits'"):
        Study.load("digit")
    with pytest.raises(StudyError, match=r"none\.yaml: cannot be read as a study file, No such file or directory"):
        Study.load(tmp_path / "none.yaml")


def test_a_study_never_changes() -> None:
    raw = {"lr": [1, 2]}
    one = study(space=raw)
    raw["lr"].append(3)
    assert one.space == {"lr": [1, 2]}
    with pytest.raises(ValueError, match="frozen"):
        one.search.seed = 3
    assert yaml.safe_load(one.to_yaml())["search"]["seed"] == one.search.seed


def test_a_sqlite_file_does_not_depend_on_where_a_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert study(database="sqlite:///rel.db").database == f"sqlite:///{tmp_path / 'rel.db'}"
    assert study(database="sqlite:////abs.db").database == "sqlite:////abs.db"
    assert study(database="postgresql://host/db").database == "postgresql://host/db"


def test_more_enqueued_than_trials_is_refused() -> None:
    with pytest.raises(StudyError, match=r"^search.enqueue: must not hold more than search.trials \(1\), got 2$"):
        study(search={"trials": 1, "enqueue": [{}, {}]})


def test_a_study_file_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "my étude.yaml").write_text("task: digits\nspace: {width: [4, 8]}\nsearch: {trials: 2}\n")
    assert Study.load(tmp_path / "my étude.yaml").name == "my-tude"
