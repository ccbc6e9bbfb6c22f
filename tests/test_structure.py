"""The rules of the tree: who imports whom, and that the pages which describe it tell the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOWNWARDS = ("tunefleet", "cluster", "analysis", "trainables", "search_spaces")
"""A package imports from those that stand behind it."""

MEET_RAY = ("cluster.engines.", "cluster.jobs.")


def modules() -> dict[str, Path]:
    found = {}
    for package in DOWNWARDS:
        for path in (ROOT / package).rglob("*.py"):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Full names that a module imports, also inside functions and for type checkers alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", DOWNWARDS)
def test_imports_go_downwards(package: str) -> None:
    above = {*DOWNWARDS[: DOWNWARDS.index(package)], *({"torch"} if package == "search_spaces" else ())}
    for name, path in modules().items():
        if name.split(".")[0] == package:
            assert {imported.split(".")[0] for imported in imports(path)} & above == set(), name


def test_only_engines_and_jobs_import_ray() -> None:
    found = {name for name, path in modules().items() if "ray" in {i.split(".")[0] for i in imports(path)}}
    assert found and all(name.startswith(MEET_RAY) for name in found), found


def test_there_is_no_import_cycle() -> None:
    known = modules()
    graph = {name: (imports(path) & known.keys()) - {name} for name, path in known.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {error.args[1]}")


@pytest.mark.parametrize(
    ("module", "without"),
    [("cluster.loop", {"ray", "torch"}), ("search_spaces.study.study", {"ray", "torch"}), ("cluster.runner", {"ray"})],
)
def test_what_comes_in_with_a_module(module: str, without: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert module in loaded.split() and without & set(loaded.split()) == set()


def in_the_readme() -> set[str]:
    """Paths that the README's tree names; folders end with a slash."""
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("```text tree\n")[1].split("```")[0]
    found, package = set(), ""
    for indent, name in re.findall(r"^( *)([\w./]+)\s{2,}\S", tree, flags=re.MULTILINE):
        package = package if indent else name
        found.add(package + name if indent else name)
    return found


def test_what_the_readme_tree_names_exists() -> None:
    for name in in_the_readme():
        path = ROOT / name
        assert path.is_dir() if name.endswith("/") else path.is_file(), (
            f"README's tree has {name}, which does not exist"
        )


def test_everything_in_a_package_is_in_the_readme_tree() -> None:
    listed = in_the_readme()
    for package in (ROOT / name for name in DOWNWARDS):
        for path in [package, *package.iterdir()]:
            if path.name not in {"__init__.py", "__pycache__"} and (path.is_dir() or path.suffix == ".py"):
                name = str(path.relative_to(ROOT)) + "/" * path.is_dir()
                assert name in listed, f"README's tree lacks {name}"
