"""Noticing that a file of the user's has the name of one of our packages, so that Python would import it instead."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("search_spaces", "trainables", "analysis", "cluster")


def hidden_package() -> str | None:
    """What hides one of our packages, and what to do about it, in one line; None where nothing does."""
    home = Path(__file__).resolve().parents[1]
    for package in PACKAGES:
        try:
            spec = find_spec(package)
        except ValueError:  # a module of that name that was made by hand
            spec = None
        if spec is None:
            return f"tunefleet's package '{package}' cannot be found; install tunefleet again"
        found = spec.origin or next(iter(spec.submodule_search_locations or ()), "a module made by hand")
        if home / package not in Path(found).resolve().parents:
            return f"{found} hides tunefleet's own package '{package}'; rename it, or run in another folder"
    return None
