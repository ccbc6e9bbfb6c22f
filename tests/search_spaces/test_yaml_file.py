"""YAML as people write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search_spaces.errors import StudyError
from search_spaces.study.yaml_file import dump_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1E5", 1e5), ("-2.5e+3", -2500.0), (".5e1", 5.0), ("+1e0", 1.0), ("1.e2", 100.0), ("1.5", 1.5), ("12", 12),
     ("1e", "1e"), ("e4", "e4"), ("'1e-4'", "1e-4"), ("1e-4x", "1e-4x"), ("true", True), ("null", None), ("", None)],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    parsed = parse_yaml(text, "here")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "here: not valid YAML, line 3: key 'a' stands twice"),
        ("a: {b: 1, b: 2}", "here: not valid YAML, line 1: key 'b' stands twice"),
        ("a: [1, 2", "here: not valid YAML, line 1: "),
        ("a:\n\tb: 1", "here: not valid YAML, line 2: found character '\\t' that cannot start any token"),
        ("? [1]\n: 2", "here: not valid YAML, line 1: found unhashable key"),
        ("a: !!python/name:os.system", "here: not valid YAML, line 1: could not determine a constructor"),
        ("--- 1\n--- 2", "here: not valid YAML, line 2: but found another document"),
        ("a: \x00", "here: not valid YAML, "),
        ("a: " + 3000 * "[" + 3000 * "]", "here: not a study, it is nested too deeply"),
    ],
)
def test_errors_give_the_line(text: str, message: str) -> None:
    with pytest.raises(StudyError) as error:
        parse_yaml(text, "here")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: \xe9".encode("latin-1"))
    for name, why in (
        ("latin.yaml", "it is not UTF-8 text"),
        ("none.yaml", "No such file or directory"),
        (".", "Is a directory"),
    ):
        with pytest.raises(StudyError, match=f"cannot be read as a study file, {why}$"):
            read_yaml(tmp_path / name)


@pytest.mark.parametrize(
    "value", ["1e-4", "1.0", "yes", "null", "~", "é: 'x'", "", "2020-01-01", 1e-7, 1e300, -0.0, None, [], {}, True]
)
def test_what_is_written_is_read(value: Any) -> None:
    assert parse_yaml(dump_yaml({"a": [value], "b": {"c": value}}), "here") == {"a": [value], "b": {"c": value}}
