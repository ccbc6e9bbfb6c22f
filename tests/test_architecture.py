"""docs/architecture.md tells the truth about files, and about how many of them hyperparameters pass."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
MOST_FILES, MOST_CROSSINGS = 18, 8


def steps(heading: str) -> list[str]:
    """The files of a numbered list, in order."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/.]+)`", section, flags=re.MULTILINE)


def test_every_file_and_folder_exists() -> None:
    named = re.findall(r"`(\w+/[\w/]*(?:\.\w+)?)`", PAGE)
    assert len(named) > 40
    for name in named:
        assert (ROOT / name).exists() or list((ROOT / "analysis/plots").glob(name)), name


def test_params_pass_few_files_and_packages() -> None:
    files = steps("The path of `params`")
    assert 10 < len(set(files)) == len(files) <= MOST_FILES
    packages = [file.split("/")[0] for file in files]
    # The way back from the shape to the proposer counts, too.
    packages.insert(files.index("trainables/shape.py") + 1, "search_spaces")
    assert sum(a != b for a, b in pairwise(packages)) <= MOST_CROSSINGS


def test_a_batch_passes_few_files() -> None:
    files = steps("The path of a batch")
    assert 5 < len(set(files)) == len(files) <= MOST_FILES


def test_every_kind_of_addition_is_one_line() -> None:
    lines = PAGE.split("## Where to add\n")[1].splitlines()
    kinds = [line.split(":")[0] for line in lines if line.startswith("- ")]
    assert kinds == ["- A task", "- A sampler", "- A stopping rule", "- An optimizer", "- A figure", "- An engine"]
