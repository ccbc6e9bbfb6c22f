"""The engine on Ray Tune, on this machine or a cluster: every Tune trial is one worker, which trains leg after leg.

Workers report through Tune's results. What they are asked for they are told by calls on their own actor, which run between
two steps of the trainable. Tune starts the workers, gives them their CPUs and GPUs, and starts one again that died.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray import cloudpickle, tune
from ray.tune import Stopper

from cluster.engines.ray_session import ray_session, worker_resources
from cluster.engines.tuner import run_tune
from cluster.place import Place
from search_spaces.errors import ClusterError, reason
from search_spaces.study.sections import Resources
from trainables.messages import Leg, Lost, Report
from trainables.task import Task
from trainables.tasks.user_tasks import user_module
from trainables.worker import Job, Worker

LONGEST_NAP = 0.25
"""Seconds; an idle worker looks for work at least so often."""

STOP_SECONDS, SOON = 10.0, 1.0
"""For the workers to end in order; where a study was interrupted, somebody waits for the prompt."""


def worker_device() -> torch.device:
    """The GPU that Ray gave this worker, else the CPU."""
    return torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")


class WorkerTrainable(tune.Trainable):
    """A worker as Ray Tune runs it."""

    def setup(self, config: dict[str, Any], job: Job) -> None:  # type: ignore[override] # with_parameters adds it
        """Called once, when the worker's process has started."""
        torch.set_num_threads(job.threads)
        self._worker = Worker(job, worker_device())
        self._next: Leg | None = None
        self._training = False
        self._idle_since = time.monotonic()
        self._known = False

    def begin(self, leg: Leg) -> None:
        """Called by the engine, between two steps. Of what fails here nobody would hear, so nothing is done yet."""
        self._next = leg

    def step(self) -> dict[str, Any]:
        """Train for about a second, or nap where there is nothing to train; the first time say who this is."""
        if not self._known:
            self._known = True
            return {"handle": ray.get_runtime_context().current_actor}
        if self._next is not None:
            self._worker.begin(self._next)
            self._next, self._training = None, True
        if not self._training:
            idle = time.monotonic() - self._idle_since
            time.sleep(min(LONGEST_NAP, 0.005 + idle / 4))
            return {"idle": True}
        report = self._worker.step()
        self._training = not report.done
        self._idle_since = time.monotonic()
        return {"report": report}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Required by Ray Tune, which is never told to use it: the driver keeps checkpoints of the stacks."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """See :meth:`save_checkpoint`."""


class RayTune(tune.Callback, Stopper):
    """Trains legs on the workers of one run of Ray Tune, which goes on in a thread of its own."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._news: queue.Queue[Report | Lost | Exception] = queue.Queue()
        self._waiting: list[Leg] = []
        self._free: dict[str, Any] = {}
        self._busy: dict[str, tuple[Any, Leg]] = {}
        self._held: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._over = False

    def start(self, leg: Leg) -> None:
        """See :class:`cluster.loop.Engine`. A cohort goes on where it was before, if that worker is free."""
        with self._lock:
            self._waiting.append(leg)
            self._match()

    def wait(self) -> Sequence[Report | Lost]:
        """See :class:`cluster.loop.Engine`.

        Raises:
            ClusterError: if Ray Tune ends by itself.
        """
        found = [self._news.get()]
        with suppress(queue.Empty):
            while True:
                found.append(self._news.get_nowait())
        for news in found:
            if isinstance(news, Exception):
                raise ClusterError(f"Ray stopped the search, {reason(news)}; what finished is kept") from news
        return [news for news in found if not isinstance(news, Exception)]

    def stop(self) -> None:
        """Let Ray Tune end."""
        self._over = True

    def failed(self, error: Exception) -> None:
        """Ray Tune has ended by itself."""
        self._news.put(error)

    def _match(self) -> None:
        """Give legs to free workers."""
        for leg in list(self._waiting):
            if not self._free:
                return
            held = (leg.cohort, leg.start)
            holder = next((name for name in self._free if self._held.get(name) == held), None)
            name = holder or next(iter(self._free))
            handle = self._free.pop(name)
            self._waiting.remove(leg)
            self._busy[name] = (handle, leg)
            handle.begin.remote(leg if holder is None else replace(leg, saved=None))

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Asked by Ray Tune whether a worker should end."""
        return self._over

    def stop_all(self) -> bool:
        """Asked by Ray Tune whether all workers should end."""
        return self._over

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its configuration so that it could restore a run, which is never done."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Called by Ray Tune for every result of a worker."""
        name = trial.trial_id
        with self._lock:
            if "handle" in result:
                self._free[name] = result.pop("handle")
            report: Report | None = result.pop("report", None)
            if report is not None and report.done and name in self._busy:
                self._free[name], _ = self._busy.pop(name)
                self._held[name] = (report.cohort, report.epoch)
            if report is not None:
                self._news.put(report)
            self._match()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a worker died and is not started again."""
        self._died(trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Ray Tune when a worker died, which it starts again."""
        self._died(trial)

    def _died(self, trial: Any) -> None:
        error = trial.get_pickled_error()
        with self._lock:
            self._free.pop(trial.trial_id, None)
            self._held.pop(trial.trial_id, None)
            _, leg = self._busy.pop(trial.trial_id, (None, None))
            self._news.put(
                Lost(None if leg is None else leg.cohort, "no reason known" if error is None else reason(error))
            )


@contextmanager
def place(
    task: Task, resources: Resources, scratch: Path, address: str | None, say: Callable[[str], None]
) -> Iterator[Place]:
    """The workers of a Ray cluster; arguments and errors as in :func:`cluster.engines.found_place`."""
    with ray_session(address, say), shipped_by_value(task):
        need, workers = worker_resources(resources)
        yield Place(
            workers,
            torch.device("cuda" if need["GPU"] else "cpu"),
            f"on {need['GPU']:g} GPU each" if need["GPU"] else f"on {need['CPU']:g} CPU each",
            lambda job, most: ray_tune_engine(job, scratch, need, min(workers, most)),
            need,
        )


@contextmanager
def shipped_by_value(task: Task) -> Iterator[None]:
    """Send a user's own module to the workers along with the task: they cannot import it by name."""
    module = user_module(task)
    if module is None:
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def ray_tune_engine(job: Job, scratch: Path, need: dict[str, float], workers: int) -> Iterator[RayTune]:
    """An engine on the Ray that this process is connected to.

    Args:
        job: what to work on.
        scratch: a folder for Ray Tune's own files, which are removed first.
        need: resources of one worker.
        workers: how many.
    """
    engine = RayTune(workers)

    def fit() -> None:
        try:
            run_tune(
                WorkerTrainable,
                job,
                scratch,
                need,
                workers,
                engine,
                "worker",
                {"worker": tune.grid_search(list(range(workers)))},
                failures=-1,
                stop=engine,
            )
            if not engine.stop_all():
                engine.failed(RuntimeError("its workers have ended"))
        except Exception as error:  # whatever it is, somebody waits for news
            engine.failed(error)

    thread = threading.Thread(target=fit, daemon=True, name="ray-tune")
    thread.start()
    seconds = SOON
    try:
        yield engine
        seconds = STOP_SECONDS
    finally:
        engine.stop()
        thread.join(seconds)
