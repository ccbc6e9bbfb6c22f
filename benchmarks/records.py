"""Records of benchmark runs (JSON lines), and the tables that are made of them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
RECORDS = HERE / "records.jsonl"
RESULTS = HERE / "RESULTS.md"
NOTES = HERE / "notes.md"
SEARCHERS = "searchers"
PEER = "Ray Tune: OptunaSearch + ASHAScheduler"
PACKAGES = ("ray", "torch", "optuna", "numpy")

Record = dict[str, Any]


def append(record: Record) -> None:
    """Add one run, with when, where and on what it ran."""
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }
    with RECORDS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**record, **about}) + "\n")


def read() -> list[Record]:
    """All runs so far."""
    return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()] if RECORDS.exists() else []


def spread(values: list[float], digits: int = 3) -> str:
    """Mean, standard deviation and number of values."""
    deviation = f" ± {stdev(values):.{digits}g}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}g}{deviation} (n={len(values)})"


def hardware(record: Record) -> str:
    """What a run ran on."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return f"{record['cores']} cores, {record.get('gpu') or 'no GPU'}, {record['date']}; {versions}."


def write_results() -> None:
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
        lines += ["", f"## {problem}", "", *TABLES.get(problem, _cost_per_trial)(own)]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cost_per_trial(runs: list[Record]) -> list[str]:
    lines = [runs[-1]["about"], "", hardware(runs[-1]), ""]
    lines += [
        "| method | trials | seconds per trial | tunefleet's share | best of these trials |",
        "|---|---|---|---|---|",
    ]
    ours = {r["run"]: r["seconds"] / r["trials"] for r in runs if r["method"] == "tunefleet"}
    for method in dict.fromkeys(r["method"] for r in runs):
        rows = [r for r in runs if r["method"] == method]
        each = [r["seconds"] / r["trials"] for r in rows]
        ratios = [ours[r["run"]] / t for r, t in zip(rows, each, strict=True) if r["run"] in ours]
        lines.append(
            f"| {method} | {rows[-1]['trials']} | {spread(each)} | {spread(ratios)} | {spread([r['best'] for r in rows])} |"
        )
    return lines


def _replication(runs: list[Record]) -> list[str]:
    lines = [
        "Every study that follows a report, as it is shipped. A figure is that of the test split, over the refitted networks",
        "(mean, standard deviation, number of networks), unless said; of several data splits it is the mean over all of them.",
        "",
        "| study | figure | reported | ours | reached | trials | epochs, all members | refit | minutes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    beside: list[str] = []
    for study in dict.fromkeys(r["study"] for r in runs):
        last = {json.dumps(r["variant"]): r for r in runs if r["study"] == study}
        own = list(last.values())
        first = own[0]
        values = [value for r in own for value in r["figures"]]
        reached = mean(values) <= first["reported"] if first["better"] == "min" else mean(values) >= first["reported"]
        minutes = [r["seconds"] for r in own if r["seconds"]]
        epochs = sum(r["epochs"] * r["members"] for r in own)
        lines.append(
            f"| {study}{' (' + first['profile'] + ')' if first.get('profile') else ''} | {first['figure']} | {first['reported']:.5g} | {spread(values, 5)} | {'yes' if reached else 'no'} | "
            f"{sum(r['trials'] for r in own)} | {epochs} | {first['refit']['seeds']} | "
            f"{sum(minutes) / 60:.1f}{'' if len(minutes) == len(own) else ' (interrupted)'} |"
        )
        for name in first["beside"]:
            others = [r["beside"][name] for r in own]
            beside.append(f"- {study}: {name} {spread(others, 5)}; ours is {mean(values) / mean(others):.3f} of it.")
        if len(own) > 1:
            each = "; ".join(
                f"{', '.join(f'{k} {v}' for k, v in r['variant'].items())}: {mean(r['figures']):.5g}" for r in own
            )
            beside.append(f"- {study}, one by one: {each}.")
        beside += [f"- {study}: {text}." for text in _further(own)]
    lines += ["", *beside, "", hardware(runs[-1])]
    if NOTES.exists():
        lines += ["", NOTES.read_text(encoding="utf-8").strip()]
    return lines


def _further(runs: list[Record]) -> list[str]:
    """Figures beside the row's own: the best trial's, and those of the refit; means over several data splits."""
    texts = []
    for split in ("best trial", "test", "kfold"):
        each = [
            {"value": r["value"], **r["metrics"]["best"]} if split == "best trial" else r["metrics"][split]
            for r in runs
        ]
        names = [n for n in each[0] if not n.endswith(("_min", "_max", "_ensemble"))]
        if names:
            texts.append(f"{split}: " + ", ".join(f"{n} {mean(m[n] for m in each):.5g}" for n in names))
    return texts


def _augmentation(runs: list[Record]) -> list[str]:
    last, seconds = _in_turn(runs)
    first, *_ = seconds.values()
    lines = [
        "The convolutional network of `fashion_mnist_augmented`, batches of 128, one thread; rounds in turn, medians.",
        "",
        hardware(last[-1]),
        "",
        "| method | ms per step | times the fixed batch, median of rounds |",
        "|---|---|---|",
    ]
    for m, own in seconds.items():
        lines.append(f"| {m} | {1000 * median(own) / last[0]['steps']:.1f} | {_share(own, first):.2f} |")
    return lines


def _in_turn(runs: list[Record]) -> tuple[list[Record], dict[str, list[float]]]:
    """The records of the last run, and the seconds of each of its methods, which were measured in turn."""
    last = [r for r in runs if r["run"] == runs[-1]["run"]]
    return last, {m: [r["seconds"] for r in last if r["method"] == m] for m in dict.fromkeys(r["method"] for r in last)}


def _share(own: list[float], others: list[float]) -> float:
    """Median over rounds of one method's time by another's."""
    return median(a / b for a, b in zip(own, others, strict=True))


def _populations(runs: list[Record]) -> list[str]:
    last, seconds = _in_turn(runs)
    *_, slowest = seconds.values()
    lines = [
        "Population-based training of small networks on `digits`, search only: {population} members, {epochs} epochs, "
        "interval {interval}.".format_map(last[-1]),
        "",
        hardware(last[-1]),
        "",
        "| method | seconds, median | share of the last's time, median of seeds | best validation loss |",
        "|---|---|---|---|",
    ]
    for m, own in seconds.items():
        best = [r["best"] for r in last if r["method"] == m]
        lines.append(
            f"| {m} | {median(own):.1f} | {_share(own, slowest):.3f} | {spread(best, 4)}, {min(best):.4g} to {max(best):.4g} |"
        )
    return lines


def quartiles(values: list[float]) -> str:
    """Median, with the quartiles in brackets."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def _searchers(runs: list[Record]) -> list[str]:
    last = {(r["task"], r["method"], r["seed"]): r for r in runs}
    tasks = list(dict.fromkeys(task for task, _, _ in last))
    lines = [
        "Searchers at the same number of epochs: 200 evaluations of a function (an evaluation is a trial of one epoch), and 40",
        "trials of 27 epochs of the study `digits` without its early stopping, also with 4 folds, whose means are less noisy.",
        "Below, the value of a function is the true one at the point that looked best, above the known optimum; that of",
        "`digits` is the validation loss. Medians over seeds,",
        "quartiles in brackets. The functions (`problems.py`) are Hartmann's in 3 dimensions on one branch and in 6 on the",
        "other (conditional), an NK landscape of 8 genes with 5 alleles (categorical), and Hartmann's in 6 with noise of 0.2",
        "(noisy). `genetic` has a population of 20 (10 on `digits`), `pbt` one of 20 over 10 epochs, whose worse half",
        "changes after each, with a resample probability of 0.1 (on `digits` 2 of 27 epochs, the worst quarter after every",
        "third, 0.25). A member that stays as it is evaluates the same point again: `pbt` sees 110 points. It takes no conditions: on the conditional",
        "function it searches both branches' parameters at once, of which one half does nothing. On `digits` it cannot change",
        "the network, so depth, width, activation, optimizer and batch size are fixed for it (one network); it is compared",
        "with random search over what is left. `gp` takes a minute for 200 proposals, and is left out.",
        "",
        "| task | method | seeds | epochs | value | better than random, seeds | median better |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in tasks:
        methods = [method for t, method, _ in last if t == task]
        for method in dict.fromkeys(methods):
            own = {seed: r for (t, m, seed), r in last.items() if (t, m) == (task, method)}
            rival = "random, one network" if "one network" in method else "random"
            pairs = [(r["value"], last[task, rival, s]["value"]) for s, r in own.items() if (task, rival, s) in last]
            wins = sum(a < b for a, b in pairs)
            better = median(a for a, _ in pairs) < median(b for _, b in pairs)
            compared = "| |" if method == rival else f"{wins} of {len(pairs)} | {'yes' if better else 'no'} |"
            lines.append(
                f"| {task} | {method} | {len(own)} | {mean(r['epochs'] for r in own.values()):.0f} | "
                f"{quartiles([r['value'] for r in own.values()])} | {compared}"
            )
    return [*lines, *_early_stopping(last), "", hardware(runs[-1])]


def _early_stopping(last: dict[tuple[str, str, int], Record]) -> list[str]:
    """What ASHA saves, by task, and the peer beside ours on the seeds that it ran on."""
    lines: list[str] = []
    for task in dict.fromkeys(task for task, method, _ in last if method == "random + asha"):
        shares = []
        for (t, method, seed), r in last.items():
            if (t, method) == (task, "random + asha") and (task, "random", seed) in last:
                full = last[task, "random", seed]
                # Who shares a stack can change the last bits of a value.
                reached = [epochs for epochs, value in r["steps"] if value <= full["value"] * (1 + 1e-4)]
                shares.append(reached[0] / full["epochs"] if reached else float("inf"))
        if not shares:
            continue
        # A seed on which it never does counts as infinite; between that and a number there is no middle.
        low, middle, high = np.quantile(shares, [0.25, 0.5, 0.75], method="higher")
        lines += [
            "",
            f"On {task}, random search with ASHA (grace period 1, reduction factor 3; 3 times the trials) reaches the final "
            f"value of random search of the same seed after {middle:.3g} of its epochs ({low:.3g} to {high:.3g}); it does "
            f"on {sum(s < float('inf') for s in shares)} of {len(shares)} seeds, and with at most a third of the epochs on "
            f"{sum(s <= 1 / 3 for s in shares)}.",
        ]
    peers = {seed: r for (_, method, seed), r in last.items() if method == PEER}
    both = [(last["digits", "tpe + asha", s], r) for s, r in peers.items() if ("digits", "tpe + asha", s) in last]
    if both:
        ratios = [ours["seconds"] / r["seconds"] for ours, r in both]
        lines += [
            "",
            "TPE with ASHA, 40 trials, beside Ray Tune's own on the same seeds, in turn:",
            "",
            "| method | value | epochs | seconds | tunefleet's share of the time |",
            "|---|---|---|---|---|",
        ]
        for name, rows in (("tunefleet, tpe + asha", [a for a, _ in both]), (PEER, [b for _, b in both])):
            cells = [quartiles([r[key] for r in rows]) for key in ("value", "epochs", "seconds")]
            lines.append(f"| {name} | {' | '.join(cells)} | {quartiles(ratios) if name == PEER else ''} |")
    return lines


def _start(runs: list[Record]) -> list[str]:
    last = [r for r in runs if r["run"] == runs[-1]["run"]]
    lines = [
        f"Seconds from `tunefleet run {last[-1]['study']}` to the first epoch of a trial, and to the end; medians.",
        "",
        hardware(last[-1]),
        "",
        "| engine | first epoch | all | runs |",
        "|---|---|---|---|",
    ]
    for engine in dict.fromkeys(r["method"] for r in last):
        own = [r for r in last if r["method"] == engine]
        first, seconds = (median(r[key] for r in own) for key in ("first", "seconds"))
        lines.append(f"| {engine} | {first:.1f} | {seconds:.1f} | {len(own)} |")
    return lines


def _order(runs: list[Record]) -> list[str]:
    lines = [
        "What `search.order: exact` costs beside `fast`: the real search (TPE, 96 trials of 27 epochs, two pending per worker)",
        "with workers that only keep time. An epoch's length is log-normal over trials, with the given spread; medians over seeds.",
        "Time is that of exact by that of fast on the same seed.",
        "",
        "| spread | early stopping | workers | time | idle, fast | idle, exact | epochs, fast | epochs, exact |",
        "|---|---|---|---|---|---|---|---|",
    ]
    last = {(r["spread"], r["rule"], r["workers"], r["order"], r["seed"]): r for r in runs}
    for case in dict.fromkeys(key[:3] for key in last):
        fast, exact = ([r for key, r in last.items() if key[:4] == (*case, order)] for order in ("fast", "exact"))
        ratio = median(b["time"] / a["time"] for a, b in zip(fast, exact, strict=True))
        cells = [f"{100 * median(r['idle'] for r in own):.0f} %" for own in (fast, exact)]
        cells += [f"{median(r['epochs'] for r in own):.0f}" for own in (fast, exact)]
        lines.append(f"| {case[0]} | {case[1]} | {case[2]} | {ratio:.2f} | {' | '.join(cells)} |")
    return lines


TABLES: dict[str, Callable[[list[Record]], list[str]]] = {
    "augmentation": _augmentation,
    "order": _order,
    "populations": _populations,
    "replication": _replication,
    "start": _start,
    SEARCHERS: _searchers,
}
"""Tables of problems that are not about the cost of a trial."""
