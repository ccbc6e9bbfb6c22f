"""Errors of one line."""

from __future__ import annotations

import pytest

from search_spaces import errors
from search_spaces.errors import SearchFailed, StudyError, TunefleetError, reason, unknown


def test_every_error_is_in_the_hierarchy_and_drawn_in_it() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert all(issubclass(k, TunefleetError) and k.__name__ in (errors.__doc__ or "") for k in kinds)
    assert {k.__name__: k.exit_code for k in kinds if k.exit_code != 2} == {SearchFailed.__name__: 1}


@pytest.mark.parametrize(
    ("name", "valid", "message"),
    [
        ("adm", ["sgd", "adam"], "unknown optimizer 'adm'; did you mean 'adam'? (valid: adam, sgd)"),
        ("x", ["sgd", "adam"], "unknown optimizer 'x'; valid: adam, sgd"),
        (3, [], "unknown optimizer '3'; valid: none"),
    ],
)
def test_unknown_names(name: object, valid: list[str], message: str) -> None:
    assert unknown("optimizer", name, valid) == message


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError(), "ValueError"),
        (StudyError("space: wrong"), "space: wrong"),
        (KeyError("a"), "KeyError: 'a'"),
    ],
)
def test_reasons(error: Exception, message: str) -> None:
    assert reason(error) == message


def test_reasons_fit_a_table_cell() -> None:
    assert len(reason(ValueError("x" * 1000))) == 300
