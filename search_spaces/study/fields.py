"""What the sections of a study file are made of: the base of all, and the kinds of values."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler

from search_spaces.errors import unknown


class Section(BaseModel):
    """A part of a study file: unknown keys are errors, and a finished section never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole(value: object) -> object:
    """1e3 is a whole number to people, and a float to YAML."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, eq=False)
class Known(AfterValidator):
    """A check that also says which names it lets pass, to the field's JSON schema."""

    names: Collection[str]

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.names)}


def known(kind: str, names: Collection[str]) -> Known:
    """Accept these names only."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(unknown(kind, name, names))
        return name

    return Known(check, names)


def absolute_url(url: str) -> str:
    """A database URL in which a SQLite file does not depend on where the next command is typed."""
    relative = re.fullmatch(r"sqlite:///([^/].*)", url)
    return f"sqlite:///{Path(relative[1]).resolve()}" if relative else url


def without_password(url: object) -> str:
    """A database URL as messages and logs may show it."""
    return re.sub(r"(://[^/:@]*):[^/@]*@", r"\1:***@", str(url))


NAME_CHARACTERS = "letters, digits, dots, dashes and underscores"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Count = Annotated[int, Field(ge=1, le=10_000_000, strict=True), BeforeValidator(_whole)]
Members = Annotated[int, Field(ge=1, le=1000, strict=True), BeforeValidator(_whole)]
Folds = Annotated[int, Field(ge=2, le=1000, strict=True), BeforeValidator(_whole)]
Population = Annotated[int, Field(ge=3, le=100_000, strict=True), BeforeValidator(_whole)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True), BeforeValidator(_whole)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
OpenShare = Annotated[float, Field(gt=0, lt=1, strict=True)]
Factor = Annotated[float, Field(ge=1.5, le=100, strict=True)]
