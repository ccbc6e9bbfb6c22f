"""Starting Ray on this machine or joining a cluster, and counting the workers that fit."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants

from search_spaces.errors import ClusterError, StudyError, reason
from search_spaces.study.sections import Resources

QUIET = {
    # Results, TensorBoard runs and snapshots are ours; Tune's copies would only cost time.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    # Ctrl-C must reach us: Tune's own handler waits for every worker to report.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

CONNECT_SECONDS = 10


@contextmanager
def ray_session(address: str | None, say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Use the Ray that this process is connected to, else join ``address``, else start one on this machine.

    Without an address, ``RAY_ADDRESS`` counts: it is set inside a job on a cluster. ``say`` is told what takes so long.

    Raises:
        ClusterError: if Ray cannot be started or reached.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    target = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_reachable(target)
    if ray.is_initialized():
        yield
        return
    say("starting Ray on this machine" if target == "local" else f"joining the Ray cluster at {target}")
    own: dict[str, Any] = {"include_dashboard": False} if target == "local" else {}
    try:
        with _loopback(target == "local"):
            ray.init(target, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except Exception as error:
        raise ClusterError(f"{target}: Ray cannot be started or reached there, {reason(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _loopback(wanted: bool) -> Iterator[None]:
    """Make a Ray that serves this machine alone listen on 127.0.0.1 alone, as it does on macOS and Windows.

    On Linux it would listen on every address, and there is no public switch: even a node address of 127.0.0.1 is
    replaced by the machine's own.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and not wanted
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _check_reachable(target: str) -> None:
    """Ray itself would try for a minute and write a page about it."""
    host, _, port = target.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"{target}: no Ray cluster answers there, {reason(error)}") from error


def worker_resources(wanted: Resources) -> tuple[dict[str, float], int]:
    """What one worker asks Ray for, and how many such workers fit into the cluster.

    Raises:
        StudyError: if not even one fits.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = max(node.get("GPU", 0.0) for node in nodes)
    gpu = (1.0 if gpus else 0.0) if wanted.gpu == "auto" else float(wanted.gpu)
    need = {"CPU": float(wanted.cpu), "GPU": gpu}
    workers = sum(
        min(int(node.get(name, 0.0) / amount) for name, amount in need.items() if amount > 0) for node in nodes
    )
    if workers == 0:
        most = f"{max(node.get('CPU', 0.0) for node in nodes):g} CPUs and {gpus:g} GPUs"
        raise StudyError(
            f"resources: a worker needs {need['CPU']:g} CPUs and {gpu:g} GPUs, but the largest node has {most}"
        )
    return need, workers
