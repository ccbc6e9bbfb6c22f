"""The search of one study: what it is made of, put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from optuna.trial import FrozenTrial

from cluster.comparisons import Comparisons
from cluster.listener import Listener, SearchInfo
from cluster.loop import Engine, SearchLoop
from cluster.place import Place
from cluster.prepared import Prepared
from cluster.recorder import Recorder
from search_spaces.choosing.rungs import Rungs
from search_spaces.trials.checkpoints import Checkpoints
from search_spaces.trials.database import TrialDatabase
from search_spaces.trials.outcome import Outcome
from search_spaces.trials.proposer import Proposer
from search_spaces.trials.study_dir import StudyDir
from search_spaces.trials.tensorboard_log import TensorBoardLog
from trainables.shape import trial_shape


@contextmanager
def books(
    folder: StudyDir,
    prepared: Prepared,
    database: TrialDatabase,
    past: Sequence[FrozenTrial],
    place: Place,
    listener: Listener,
) -> Iterator[tuple[Proposer, Recorder]]:
    """Open what a search asks and what it records with; its time counts until they are closed.

    Args:
        folder: of the study.
        prepared: the study.
        database: its trials.
        past: trials of an earlier study, that inform the sampler.
        place: where it is trained.
        listener: who watches.
    """
    study, objectives = prepared.study, prepared.objectives
    proposer = Proposer(
        study,
        database,
        partial(trial_shape, prepared.task, splits=prepared.splits, device=place.device),
        place.workers,
        past,
    )
    log = TensorBoardLog(folder.tensorboard, study.search_space, study.task_options.epochs, objectives)
    listener.started(_about(prepared, database.outcomes(), place))
    if study.search.options.learns and proposer.concurrency < place.workers:
        listener.message(
            f"{proposer.concurrency} trials at a time keep {proposer.concurrency} of {place.workers} workers busy; "
            "search.concurrency raises it"
        )
    proposer.start_clock()
    try:
        yield proposer, Recorder(proposer, objectives, log, Checkpoints(folder.checkpoints), listener)
    finally:
        proposer.stop_clock()


def search(
    prepared: Prepared, known: Sequence[Outcome], proposer: Proposer, recorder: Recorder, engine: Engine
) -> None:
    """Run every trial that is not finished yet; ``known`` are those of earlier runs.

    Raises:
        ClusterError: if the engine fails, or no worker can work at all.
    """
    rule, exact = prepared.rule, prepared.study.search.order == "exact"
    comparisons = None if rule is None else Comparisons(Rungs(rule, prepared.task.objective), exact)
    epochs = prepared.study.task_options.epochs
    SearchLoop(proposer, engine, recorder, comparisons, epochs, exact).run(known)


def by_ray(prepared: Prepared, place: Place) -> bool:
    """Whether a population is spread over workers: as its study says, else where its networks train one by one anyway."""
    pbt = prepared.study.search.pbt
    if pbt is None or pbt.engine == "cohort" or not place.need or prepared.study.search.order == "exact":
        return False
    if pbt.asks_ray:
        return True
    corner = prepared.study.search_space.corner(last=False)
    return place.workers > 1 and trial_shape(prepared.task, corner, prepared.splits, place.device).largest == 1


def _about(prepared: Prepared, known: Sequence[Outcome], place: Place) -> SearchInfo:
    study, objective = prepared.study, prepared.task.objective
    completed = [outcome for outcome in known if outcome.complete]
    return SearchInfo(
        study=study.name,
        total=study.trials if study.bounded else None,
        done=sum(outcome.state.is_finished() for outcome in known),
        workers=place.workers,
        device=place.words,
        objective=objective,
        epochs=study.task_options.epochs,
        best=min(completed, key=lambda o: (objective.cost(o.value), o.number), default=None),
        limits=study.limits.words(),
    )
