"""How Ray Tune is run: quietly, on warm actors, with its scratch in the study's folder."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ray import tune
from ray.air.execution import FixedResourceManager
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig

from search_spaces.trials.study_dir import StudyDir
from trainables.trainable import Job


def run_tune(
    folder: StudyDir,
    job: Job,
    need: dict[str, float],
    workers: int,
    trainable: type[tune.Trainable],
    callback: tune.Callback,
    kind: str,
    param_space: dict[str, Any] | None = None,
    **choice: Any,
) -> None:
    """Run trials that are called after their ``kind``; ``choice`` says who chooses, as ``TuneConfig`` has it.

    Whatever is left of an earlier run of the study is removed.

    Args:
        need: resources of one worker.
        workers: at most this many at a time.
    """
    shutil.rmtree(folder.ray, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, job=job), need),
        param_space=param_space,
        tune_config=TuneConfig(
            reuse_actors=True,
            trial_name_creator=lambda trial: f"{kind}_{trial.trial_id}",
            trial_dirname_creator=lambda trial: f"{kind}_{trial.trial_id}",
            **choice,
        ),
        run_config=RunConfig(
            name=folder.ray.name,
            storage_path=str(folder.root),
            callbacks=[callback],
            failure_config=FailureConfig(max_failures=0),
            checkpoint_config=CheckpointConfig(num_to_keep=4),  # a population reads those of others
            verbose=0,
        ),
    )
    with _no_placement_groups({name: amount * workers for name, amount in need.items()}):
        tuner.fit()


@contextmanager
def _no_placement_groups(budget: dict[str, float]) -> Iterator[None]:
    """Let Tune start workers as plain actors within a budget, which it can do but offers no public switch for.

    By default it puts each into a placement group. Ray 2.60 often keeps the resources of such a group when it is
    removed (seen after one study of three): the node has a CPU or GPU less until it is restarted, and later studies
    that need all of it wait for ever. A worker needs one node anyway, so a group would gain nothing.
    """
    engine: Any = importlib.import_module("ray.tune.tune")
    controller = engine.TuneController
    engine.TuneController = partial(controller, resource_manager_factory=partial(FixedResourceManager, budget))
    try:
        yield
    finally:
        engine.TuneController = controller
