"""A task's options: the arguments of its constructor, described and checked by their annotations."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import create_model

from search_spaces.errors import TaskError
from search_spaces.study.fields import Section
from search_spaces.study.messages import made

Constructor = TypeVar("Constructor", bound=Callable[..., None])


def options_of(task: type) -> type[Section]:
    """The options of a task as a section, with the description of the task."""
    return create_model(task.__name__, __base__=_arguments(task.__init__), __doc__=task.__doc__)  # type: ignore[misc]


def checked(constructor: Constructor) -> Constructor:
    """Let a task's constructor refuse what its annotations do not allow, with a TaskError that names the option."""

    @functools.wraps(constructor)
    def check(self: object, *args: Any, **kwargs: Any) -> None:
        _, *given = inspect.signature(constructor).bind(self, *args, **kwargs).arguments.items()
        constructor(self, **dict(made(_arguments(constructor), dict(given), TaskError, ("task_options",))))

    return cast(Constructor, check)


@functools.cache
def _arguments(constructor: Callable[..., None]) -> type[Section]:
    """The section that a constructor's arguments make, each annotated as a section's field is."""
    hints = get_type_hints(constructor, include_extras=True)
    _, *arguments = inspect.signature(constructor).parameters.values()
    fields: dict[str, Any] = {
        one.name: (hints[one.name], ... if one.default is one.empty else one.default)
        for one in arguments
        if one.name in hints
    }
    return create_model("Options", __base__=Section, **fields)
