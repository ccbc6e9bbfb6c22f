"""How Ray Tune is run: quietly, on warm actors, with its scratch in the study's folder."""

from __future__ import annotations

import shutil
from typing import Any

from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig

from analysis.study_dir import StudyDir
from trainables.trainable import Job


def make_tuner(
    folder: StudyDir,
    trainable: type[tune.Trainable],
    job: Job,
    need: dict[str, float],
    callback: tune.Callback,
    kind: str,
    param_space: dict[str, Any] | None = None,
    **choice: Any,
) -> tune.Tuner:
    """A tuner whose trials are called after their ``kind``; ``choice`` says who chooses, as ``TuneConfig`` has it.

    Whatever is left of an earlier run of the study is removed.
    """
    shutil.rmtree(folder.ray, ignore_errors=True)
    return tune.Tuner(
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
