"""The sections of a study file, checked: unknown keys, wrong types and impossible values are errors."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from search_spaces.fields import Count, Factor, Folds, Members, OpenShare, Section, Seed, absolute_url, known
from search_spaces.samplers import SAMPLERS, Random, Sampler


class OptionsError(ValueError):
    """Options that break a rule of the section ``model``, which another key of the file chose."""

    def __init__(self, error: ValidationError, model: type[BaseModel]) -> None:
        super().__init__(str(error))
        self.error, self.model = error, model


class TaskOptions(Section):
    """How each trial is trained and validated; every other key is an option of the task itself.

    With ``folds`` of 2 or more a trial is k-fold cross-validated; otherwise it is validated on the split that the
    task's data brings, or on the share ``validation`` of its training data. ``repeats`` trains each fold that many
    times from different initial weights. ``subset`` searches on so many of the training rows only, drawn by
    ``split_seed`` like the splits.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    epochs: Count = 30
    folds: Members = 1
    repeats: Members = 1
    validation: OpenShare = 0.2
    split_seed: Seed = 0
    subset: Count | None = None

    @property
    def own(self) -> dict[str, Any]:
        """The options meant for the task's constructor."""
        return dict(self.model_extra or {})


class Asha(Section):
    """Asynchronous successive halving: see ``search_spaces.rungs``."""

    grace_period: Count = 1
    reduction_factor: Factor = 3


class EarlyStopping(Section):
    """Which trials end before their last epoch.

    ``patience``: a trial ends once its validation metric has not improved for that many epochs.
    """

    asha: Asha | None = None
    patience: Count | None = None


class Search(Section):
    """Who chooses the next trial, how many trials there are, and how many may be pending at once.

    ``options`` are the sampler's own. ``enqueue``: configurations that are tried first; parameters that one leaves out
    are sampled.
    """

    sampler: Annotated[str, known("sampler", SAMPLERS)] = "random"
    options: SerializeAsAny[Sampler] = Field(default_factory=dict, validate_default=True)
    trials: Count | None = None
    seed: Seed = Field(default_factory=lambda: secrets.randbelow(2**32))
    concurrency: Count | None = None
    enqueue: list[dict[str, Any]] = Field(default_factory=list)
    warm_start: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="an earlier study whose completed trials inform the sampler: its folder, or the URL of its "
        "database, with #name where that holds several",
    )

    @field_validator("warm_start")
    @classmethod
    def _absolute(cls, source: str | None) -> str | None:
        if source is None or "://" in source:
            return source and absolute_url(source)
        return str(Path(source).expanduser().resolve())

    @field_validator("options", mode="before")
    @classmethod
    def _of_sampler(cls, raw: object, info: ValidationInfo) -> object:
        if isinstance(raw, Sampler):
            return raw
        if "sampler" not in info.data:  # that it is wrong has been noted
            return Random()
        if not isinstance(raw, Mapping):
            raise ValueError(f"must be a mapping, got {raw!r}")
        model = SAMPLERS[info.data["sampler"]]
        try:
            return model(**{str(key): value for key, value in raw.items()})
        except ValidationError as error:
            raise OptionsError(error, model) from error


class Resources(Section):
    """What one worker occupies. ``gpu: auto`` is one GPU where the cluster has any, else none."""

    cpu: Count = 1
    gpu: Annotated[float, Field(ge=0, strict=True)] | Literal["auto"] = "auto"


class Refit(Section):
    """Training the best configuration once more, to be tested and drawn.

    ``validation`` is the share of the training data held out to choose the best epoch; 0 trains on everything. Left
    out, a validation split that the task brings is used, and everything is trained on where it brings none.
    ``epochs`` defaults to the best trial's own best epoch where nothing is held out, else to the trials' epochs.
    ``seeds`` networks are trained from different initial weights. With ``track_test`` the test metrics are measured
    after every epoch, for a curve to look at; nothing is chosen by them. ``folds`` also cross-validates the chosen
    configuration over so many folds, trained as a trial is. ``subset`` does all of this on so many rows only.
    ``params`` replaces hyperparameters of the best trial, such as a schedule that short trials cannot judge.
    """

    epochs: Count | None = None
    seeds: Members = 1
    validation: Annotated[float, Field(ge=0, lt=1, strict=True)] | None = None
    patience: Count | None = None
    track_test: bool = False
    params: dict[str, Any] = Field(default_factory=dict)
    folds: Folds | None = None
    subset: Count | None = None
