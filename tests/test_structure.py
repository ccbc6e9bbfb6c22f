"""The rules of the tree: who imports whom, and that the README tells the truth about it."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "trainables", "analysis", "cluster", "tunefleet")
FORBIDDEN = {
    "search_spaces": {"torch", "trainables", "analysis", "cluster", "tunefleet"},
    "trainables": {"analysis", "cluster", "tunefleet"},
    "analysis": {"ray", "cluster", "tunefleet"},
    "cluster": {"tunefleet"},
    "tunefleet": {"ray"},
}
MEETS_RAY = {
    "search_spaces": {"search_spaces.searcher"},
    "trainables": {"trainables.trainable"},
    "analysis": set[str](),
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path, at_top: bool = False) -> set[str]:
    """Full names that a module imports; ``at_top`` leaves out what functions and type checkers import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if at_top else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    for name, path in modules().items():
        if name.split(".")[0] == package:
            used = {imported.split(".")[0] for imported in imports(path)}
            assert used & FORBIDDEN[package] == set(), name


@pytest.mark.parametrize("package", MEETS_RAY)
def test_ray_is_met_in_one_module(package: str) -> None:
    meets = {
        n for n, p in modules().items() if n.split(".")[0] == package and "ray" in {i.split(".")[0] for i in imports(p)}
    }
    assert meets == MEETS_RAY[package]


def test_there_is_no_import_cycle() -> None:
    known = modules()
    graph = {name: (imports(path, at_top=True) & known.keys()) - {name} for name, path in known.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {error.args[1]}")


def test_every_file_is_in_the_readme_tree() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("```text tree\n")[1].split("```")[0]
    listed = set(re.findall(r"^\s*([\w./]+)\s{2,}\S", tree, flags=re.MULTILINE))
    for package in PACKAGES:
        for path in [
            ROOT / package,
            *(ROOT / package).glob("*.py"),
            *(p for p in (ROOT / package).iterdir() if p.is_dir()),
        ]:
            if path.name not in {"__init__.py", "__pycache__"}:
                name = path.name + "/" * path.is_dir()
                assert name in listed, f"README's tree lacks {path.relative_to(ROOT)}"
    for name in listed:
        assert list(ROOT.glob(name)) or list(ROOT.glob(f"*/{name}")), f"README's tree has {name}, which does not exist"
