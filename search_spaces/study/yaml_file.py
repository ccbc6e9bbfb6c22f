"""Reading YAML as people write it: ``1e-4`` is a number, a key given twice is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from search_spaces.errors import StudyError


class _Loader(yaml.SafeLoader):
    """SafeLoader of YAML 1.1 with the floats of YAML 1.2, and without silent overwriting of keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key if isinstance(key, Hashable) else id(key_node))
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes a text where :class:`_Loader` would read a number."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
        list("-+0123456789."),
    )


def dump_yaml(value: Any) -> str:
    """Write plain data so that :func:`parse_yaml` reads the same."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str, where: str) -> Any:
    """Parse one YAML document.

    Raises:
        StudyError: with ``where``, the line and what is wrong.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise StudyError(f"{where}: not valid YAML, {line}{error.problem}") from error
    except yaml.YAMLError as error:
        raise StudyError(f"{where}: not valid YAML, {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise StudyError(f"{where}: not a study, it is nested too deeply") from error


def read_yaml(path: Path) -> Any:
    """Read one YAML file.

    Raises:
        StudyError: if the file cannot be read as UTF-8 text or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyError(f"{path}: cannot be read as a study file, {reason}") from error
    return parse_yaml(text, str(path))
