"""The search: a study's trials as cohorts on Ray Tune."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import ray
import torch
from optuna.trial import FrozenTrial, TrialState
from ray.exceptions import RayError
from ray.tune import TuneError

from cluster.engines.ray_session import worker_resources
from cluster.population import search_by_ray
from cluster.prepared import Prepared
from cluster.recorder import Listener, Recorder, ReportCallback, SearchInfo
from cluster.tuner import run_tune
from search_spaces.choosing.rungs import Rungs
from search_spaces.errors import ClusterError, reason
from search_spaces.searcher import CohortSearcher
from search_spaces.trials.checkpoints import common_epoch
from search_spaces.trials.cohorts import Shape
from search_spaces.trials.database import TrialDatabase, passed
from search_spaces.trials.proposer import Proposal, Proposer
from search_spaces.trials.study_dir import StudyDir
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.shape import trial_shape
from trainables.trainable import CohortTrainable, Job

CHECKPOINT_SECONDS = 60.0


def search(
    folder: StudyDir, prepared: Prepared, database: TrialDatabase, proposer: Proposer, listener: Listener
) -> None:
    """Run every trial that is not finished yet; needs a connection to Ray.

    Raises:
        ClusterError: if Ray fails, or no worker can work at all.
    """
    study, plan = prepared.study, prepared.plan()
    need, workers = worker_resources(study.resources)
    device = torch.device("cuda" if need["GPU"] else "cpu")
    known = database.trials()
    proposer.start_clock()
    job = Job(
        task=prepared.task,
        inputs=prepared.inputs,
        targets=prepared.targets,
        plan=plan,
        threads=study.resources.cpu,
        rungs=_rungs_actor(prepared, known),
        rung_epochs=prepared.rung_epochs,
        population=prepared.population,
        checkpoints=folder.checkpoints,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        deadline=proposer.deadline,
    )

    def shape_of(proposal: Proposal) -> Shape:
        together = range(proposal.number, proposal.number + 1)
        if proposer.population:
            first = proposal.number - proposal.number % proposer.population
            together = range(first, first + proposer.population)
        start = common_epoch(folder.checkpoints, together)
        shape = trial_shape(prepared.task, proposal.params, plan.splits, device, start)
        if not proposer.population:
            return shape
        return replace(shape, key=f"{shape.key}-population-{together.start}", largest=proposer.population)

    population = prepared.population
    log = TensorBoardLog(folder.tensorboard, study.search_space, plan.epochs, prepared.objectives)
    recorder = Recorder(proposer, log, folder.checkpoints, listener, plan.epochs)
    concurrency = study.concurrency(workers)
    searcher = CohortSearcher(proposer, shape_of, recorder.tell, recorder.begin, workers, concurrency)
    listener.started(_about(prepared, known, workers, need))
    folder.checkpoints.mkdir(exist_ok=True)
    trials = partial(run_tune, folder, job, need, min(workers, concurrency))
    if population is not None and _by_ray(prepared, device, workers):
        with _searching(proposer):
            search_by_ray(trials, population, proposer, recorder)
        return
    callback = ReportCallback(recorder, searcher.ended)
    with _searching(proposer):
        trials(CohortTrainable, callback, "cohort", search_alg=searcher, num_samples=-1)
    if searcher.given_up:
        raise ClusterError(f"workers die before they report anything; the last of {callback.last_error}")


@contextmanager
def _searching(proposer: Proposer) -> Iterator[None]:
    """Its time counts, and Ray's errors are translated."""
    try:
        yield
    except (RayError, TuneError) as error:
        raise ClusterError(f"Ray stopped the search, {reason(error)}; what finished is kept") from error
    finally:
        proposer.stop_clock()


def _by_ray(prepared: Prepared, device: torch.device, workers: int) -> bool:
    """Whether a population is spread over workers: as its study says, else where its networks train one by one anyway."""
    pbt = prepared.study.search.pbt
    if pbt is None or pbt.engine == "cohort":
        return False
    if pbt.engine == "ray" or pbt.explore == "pb2":
        return True
    corner = prepared.study.search_space.corner(last=False)
    return workers > 1 and trial_shape(prepared.task, corner, prepared.splits, device).largest == 1


def _about(prepared: Prepared, known: list[FrozenTrial], workers: int, need: dict[str, float]) -> SearchInfo:
    task, study = prepared.task, prepared.study
    completed = [(t.number, t.values[0]) for t in known if t.state is TrialState.COMPLETE and t.values]
    pick = min if task.mode == "min" else max
    return SearchInfo(
        study=study.name,
        total=study.trials if study.bounded else None,
        done=sum(t.state.is_finished() for t in known),
        workers=workers,
        device=f"{need['GPU']:g} GPU each" if need["GPU"] else f"{need['CPU']:g} CPU each",
        metric=task.metric,
        mode=task.mode,
        best=pick(completed, key=lambda trial: trial[1]) if completed else None,
        limits=study.limits.words(),
    )


def _rungs_actor(prepared: Prepared, known: list[FrozenTrial]) -> Any:
    """One ``Rungs`` for all workers, with what earlier runs of the study recorded; None without a rule."""
    if not prepared.rung_epochs:
        return None
    actor: Any = ray.remote(num_cpus=0)(Rungs).remote(**prepared.rungs)
    for trial in known:
        for epoch, value in passed(trial).items():
            actor.record.remote(epoch, {trial.number: value})
    return actor
