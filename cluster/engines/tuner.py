"""How Ray Tune is run: quietly, on plain actors, with its scratch in the study's folder."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.air.execution import FixedResourceManager
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, Stopper, TuneConfig

from trainables.worker import Job


def run_tune(
    trainable: type[tune.Trainable],
    job: Job,
    scratch: Path,
    need: dict[str, float],
    workers: int,
    callback: tune.Callback,
    kind: str,
    param_space: dict[str, Any],
    failures: int = 0,
    stop: Stopper | None = None,
    **choice: Any,
) -> None:
    """Run Ray Tune quietly, with its scratch where it is told to; ``choice`` says who chooses, as ``TuneConfig`` has it.

    Args:
        kind: what Tune's trials are called.
        failures: how often one may be started again; -1 for always.

    Raises:
        RayError, TuneError: of Ray itself.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, job=job), need),
        param_space=param_space,
        tune_config=TuneConfig(
            trial_name_creator=lambda trial: f"{kind}_{trial.trial_id}",
            trial_dirname_creator=lambda trial: f"{kind}_{trial.trial_id}",
            **choice,
        ),
        run_config=RunConfig(
            name=scratch.name,
            storage_path=str(scratch.parent),
            callbacks=[callback],
            stop=stop,
            failure_config=FailureConfig(max_failures=failures),
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
    module: Any = importlib.import_module("ray.tune.tune")
    controller = module.TuneController
    module.TuneController = partial(controller, resource_manager_factory=partial(FixedResourceManager, budget))
    try:
        yield
    finally:
        module.TuneController = controller
