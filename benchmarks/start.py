"""How long a user waits: from the command to the first epoch of a trial, and to the end, of a short study.

Run it with ``.venv/bin/python -m benchmarks.start [RUNS]`` from the repository's root, on an idle machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks import records

PROBLEM = "start"
STUDY = ("spirals", "--profile", "quick")
ENGINES = ("inline", "ray_tune")
PROGRAM = Path(sys.executable).with_name("tunefleet")


def measure(engine: str) -> dict[str, float]:
    """Seconds until the first line about a trial, and until the command ends."""
    with tempfile.TemporaryDirectory() as folder:
        started, first = time.perf_counter(), 0.0
        command = [str(PROGRAM), "run", *STUDY, "--engine", engine, "--out", f"{folder}/out"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                if not first and ("trial " in line and "after" in line):
                    first = time.perf_counter() - started
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return {"first": round(first, 2), "seconds": round(time.perf_counter() - started, 2)}


def main(runs: int) -> None:
    """Measure both engines in turn and write the table."""
    run = uuid.uuid4().hex[:8]
    for _ in range(runs):
        for engine in ENGINES:
            found = measure(engine)
            sys.stdout.write(f"{engine}: first epoch of a trial after {found['first']} s, all {found['seconds']} s\n")
            records.append({"problem": PROBLEM, "run": run, "method": engine, "study": " ".join(STUDY), **found})
    records.write_results()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
