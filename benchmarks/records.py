"""Records of benchmark runs (JSON lines), and the table that is made of them."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

HERE = Path(__file__).parent
RECORDS = HERE / "records.jsonl"
RESULTS = HERE / "RESULTS.md"
PACKAGES = ("ray", "torch", "optuna", "numpy")


def append(record: dict[str, Any]) -> None:
    """Add one run, with when, where and on what it ran."""
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }
    with RECORDS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**record, **about}) + "\n")


def read() -> list[dict[str, Any]]:
    """All runs so far."""
    return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()] if RECORDS.exists() else []


def spread(values: list[float]) -> str:
    """Mean, standard deviation and number of values."""
    deviation = f" ± {stdev(values):.3g}" if len(values) > 1 else ""
    return f"{mean(values):.3g}{deviation} (n={len(values)})"


def write_table() -> None:
    """Make RESULTS.md of all records."""
    runs = read()
    lines = [
        "# Results",
        "",
        "Made by the scripts of this folder from `records.jsonl`; not edited by hand. Machines are shared and noisy: read the",
        "ratios, which are taken between methods of one run.",
    ]
    for problem in sorted({r["problem"] for r in runs}):
        own = [r for r in runs if r["problem"] == problem]
        last = own[-1]
        versions = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
        lines += [
            "",
            f"## {problem}",
            "",
            last["about"],
            "",
            f"{last['cores']} cores, no GPU, {last['date']}; {versions}.",
            "",
        ]
        lines += [
            "| method | trials | seconds per trial | tunefleet's share | best of these trials |",
            "|---|---|---|---|---|",
        ]
        ours = {r["run"]: r["seconds"] / r["trials"] for r in own if r["method"] == "tunefleet"}
        for method in dict.fromkeys(r["method"] for r in own):
            rows = [r for r in own if r["method"] == method]
            each = [r["seconds"] / r["trials"] for r in rows]
            ratios = [ours[r["run"]] / t for r, t in zip(rows, each, strict=True) if r["run"] in ours]
            lines.append(
                f"| {method} | {rows[-1]['trials']} | {spread(each)} | {spread(ratios)} | {spread([r['best'] for r in rows])} |"
            )
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
