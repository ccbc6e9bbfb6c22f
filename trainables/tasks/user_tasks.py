"""A user's own task: its class, out of the module that lies beside the study file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from search_spaces.errors import TaskError, reason, unknown
from search_spaces.study.task_object import WITH_ARGUMENTS
from trainables.task import Task

PREFIX = "tunefleet_user_"
"""Begins the names by which modules loaded here are imported, so that they meet no other module."""


def user_task(name: str, module_dir: str | None) -> type[Task]:
    """The class that a study names as ``module:Class``.

    Args:
        name: of module and class.
        module_dir: where the module lies; the current folder by default. A module that is not there is imported.

    Raises:
        TaskError: if there is no such class, or it is no whole Task.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise TaskError(f"task: must be the name of a task, or module:Class, got '{name}'")
    folder = Path(module_dir or "").resolve()
    if class_name.endswith(WITH_ARGUMENTS) or "<locals>" in class_name:
        raise TaskError(_only_in_python(name, class_name))
    module = sys.modules["__main__"] if module_name == "__main__" else _load(module_name, folder, module_dir)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        if module_name == "__main__":
            raise TaskError(_only_in_python(name, class_name))
        raise TaskError(f"task: {_unknown(module, module_name, class_name, folder)}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise TaskError(f"task: {name} must implement {missing}")
    return found


def user_module(task: Task) -> ModuleType | None:
    """What to send to the workers along with a user's own task; None for a shipped task, which they can import.

    Workers cannot import the module of the task by name. Where it is part of a package beside the study file, neither
    can they import the rest of the package, so this is the whole of it.
    """
    module = type(task).__module__
    root = module.split(".")[0]
    if root == "trainables":
        return None
    return sys.modules.get(root if root.startswith(PREFIX) else module)


def _load(name: str, folder: Path, given: str | None) -> ModuleType:
    """Import a module from the folder by its file, or, where there is none, by name."""
    root, _, rest = name.partition(".")
    sys.path.insert(0, str(folder))  # for what the module itself imports from beside it
    try:
        file = _file(root, rest, folder)
        imported_as = root if file is None else _load_file(root, file)
        return importlib.import_module(f"{imported_as}.{rest}" if rest else imported_as)
    except Exception as error:
        where = f" in {given}" if given else ""
        raise TaskError(f"task: cannot import '{name}'{where}: {reason(error)}") from error
    finally:
        sys.path.remove(str(folder))


def _file(root: str, rest: str, folder: Path) -> Path | None:
    """The file of a module or package; the folder of a package that has no ``__init__.py``."""
    package = folder / root
    for file in (package / "__init__.py", folder / f"{root}.py"):
        if file.is_file():
            return file
    inner = package / rest.split(".")[0]
    return package if rest and (inner.is_dir() or inner.with_suffix(".py").is_file()) else None


def _load_file(name: str, file: Path) -> str:
    """Load a module or package from its file; returns the name by which it can be imported from now on.

    It is a name of its own: ``wave.py`` of one study must neither be taken for Python's own ``wave`` nor for that of
    another study, nor be imported in their place.
    """
    known = sys.modules.get(name)
    if known is not None and os.path.realpath(getattr(known, "__file__", None) or "") == str(file):
        return name
    alias = f"{PREFIX}{hashlib.sha1(str(file).encode()).hexdigest()[:8]}_{name}"
    if alias in sys.modules:
        return alias
    module = importlib.util.module_from_spec(spec := _spec(alias, file))
    sys.modules[alias] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[alias]
        raise
    return alias


def _spec(name: str, file: Path) -> ModuleSpec:
    spec = None if file.is_dir() else importlib.util.spec_from_file_location(name, file)
    if spec is None:  # a package without __init__.py
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(file)]
    return spec


def _unknown(module: ModuleType, module_name: str, class_name: str, folder: Path) -> str:
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    text = unknown(f"Task in {module_name}", class_name, [v.__name__ for v in own if issubclass(v, Task)])
    file = getattr(module, "__file__", None) or "Python itself"
    if folder in Path(file).parents:
        return text
    return f"{text}; it comes from {file}, for there is none in {folder} (the study's module_dir)"


def _only_in_python(name: str, class_name: str) -> str:
    arguments = "..." if class_name.endswith(WITH_ARGUMENTS) else ""
    call = f"{class_name.removesuffix(WITH_ARGUMENTS).split('.')[-1]}({arguments})"
    return (
        f"task: {name} was made by a script or a notebook, and only that can make it again; there, "
        f"tunefleet.resume(DIR, task={call}) goes on with the study and StudyResult(DIR, task={call}) reads it"
    )
