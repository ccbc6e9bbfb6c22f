"""The search of one study: what it is made of, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from cluster.comparisons import Comparisons
from cluster.listener import Listener, SearchInfo
from cluster.loop import Engine, SearchLoop
from cluster.place import Place
from cluster.prepared import Prepared
from cluster.recorder import Recorder
from search_spaces.choosing.rungs import Rungs
from search_spaces.space import Params
from search_spaces.trials.checkpoints import Checkpoints
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposal import Shape
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.study_dir import StudyDir
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.shape import trial_shape


def shapes(prepared: Prepared, device: torch.device) -> Callable[[Params], Shape]:
    """What the networks of a configuration look like, for the proposer."""
    return lambda params: trial_shape(prepared.task, params, prepared.splits, device)


def by_ray(prepared: Prepared, place: Place) -> bool:
    """Whether a population is spread over workers: as its study says, else where its networks train one by one anyway."""
    pbt = prepared.study.search.pbt
    if pbt is None or pbt.engine == "cohort" or not place.need:
        return False
    if pbt.engine == "ray" or pbt.explore == "pb2":
        return True
    corner = prepared.study.search_space.corner(last=False)
    return place.workers > 1 and trial_shape(prepared.task, corner, prepared.splits, place.device).largest == 1


def recorder_of(folder: StudyDir, prepared: Prepared, proposer: Proposer, listener: Listener) -> Recorder:
    """The books of one study."""
    log = TensorBoardLog(
        folder.tensorboard, prepared.study.search_space, prepared.study.task_options.epochs, prepared.objectives
    )
    return Recorder(proposer, prepared.objectives, log, Checkpoints(folder.checkpoints), listener)


def search(
    folder: StudyDir,
    prepared: Prepared,
    proposer: Proposer,
    engine: Engine,
    listener: Listener,
    known: Sequence[Outcome],
) -> None:
    """Run every trial that is not finished yet; ``known`` are those of earlier runs.

    Raises:
        ClusterError: if the engine fails, or no worker can work at all.
    """
    study, rule = prepared.study, prepared.rule
    exact = study.search.order == "exact"
    comparisons = None if rule is None else Comparisons(Rungs(rule, prepared.task.objective), exact)
    recorder = recorder_of(folder, prepared, proposer, listener)
    loop = SearchLoop(proposer, engine, recorder, comparisons, study.task_options.epochs, exact)
    proposer.start_clock()
    try:
        loop.run(known)
    finally:
        proposer.stop_clock()


def about(prepared: Prepared, known: Sequence[Outcome], workers: int, device: str) -> SearchInfo:
    """What a search is about to do, for those who watch."""
    study, objective = prepared.study, prepared.task.objective
    completed = [outcome for outcome in known if outcome.complete]
    return SearchInfo(
        study=study.name,
        total=study.trials if study.bounded else None,
        done=sum(outcome.state.is_finished() for outcome in known),
        workers=workers,
        device=device,
        objective=objective,
        epochs=study.task_options.epochs,
        best=min(completed, key=lambda o: (objective.cost(o.value), o.number), default=None),
        limits=study.limits.words(),
    )
