"""The sections of a study file, checked: unknown keys, wrong types and impossible values are errors."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from search_spaces.choosing.population import Pbt
from search_spaces.choosing.rungs import Rule
from search_spaces.choosing.samplers import SAMPLERS, Random, Sampler
from search_spaces.choosing.stopping import Asha, Hyperband, Median, Stopping
from search_spaces.study.fields import Count, Folds, Members, OpenShare, Section, Seed, absolute_url, known
from search_spaces.study.messages import OptionsError


class TaskOptions(Section):
    """How each trial is trained and validated; every other key is an option of the task itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    epochs: Count = Field(default=30, description="epochs of a trial that is not stopped early")
    folds: Members = Field(default=1, description="from 2 on, a trial is k-fold cross-validated over so many folds")
    repeats: Members = Field(default=1, description="each fold is trained so often, from different initial weights")
    validation: OpenShare = Field(
        default=0.2,
        description="share of the training rows to validate on, without folds and where the data brings no split",
    )
    split_seed: Seed = Field(default=0, description="of folds, validation split and subset")
    subset: Count | None = Field(
        default=None, description="search on so many training rows, drawn at random; all by default"
    )

    @property
    def own(self) -> dict[str, Any]:
        """The options meant for the task's constructor."""
        return dict(self.model_extra or {})


class EarlyStopping(Section):
    """Which trials end before their last epoch; ``early_stopping: none`` is the same as leaving it out.

    At most one rule compares trials with each other; ``patience`` works beside it. With several objectives patience
    goes by the first of them, and no rule may be set: it would stop trials that are good otherwise (Optuna refuses to
    prune multi-objective studies, too: ``Trial.should_prune`` raises).
    """

    asha: Asha | None = Field(default=None, description="asynchronous successive halving")
    median: Median | None = Field(default=None, description="the median rule")
    hyperband: Hyperband | None = Field(default=None, description="brackets of asynchronous successive halving")
    patience: Count | None = Field(
        default=None, description="end a trial once its validation metric has not improved for so many epochs"
    )

    @model_validator(mode="before")
    @classmethod
    def _none(cls, raw: object) -> object:
        return {} if raw == "none" else raw

    @model_validator(mode="after")
    def _one_rule(self) -> EarlyStopping:
        if len(self._rules) > 1:
            raise ValueError(f"takes one rule that compares trials, got {' and '.join(self._rules)}")
        return self

    @property
    def _rules(self) -> dict[str, Stopping]:
        return {name: value for name, value in self if isinstance(value, Stopping)}

    def rule(self, epochs: int) -> Rule | None:
        """The rule that compares trials of so many epochs, if there is one."""
        return next((stopping.rule(epochs) for stopping in self._rules.values()), None)

    def check(self, epochs: int) -> None:
        """Check what depends on the trials' epochs.

        Raises:
            StudyError: see :meth:`search_spaces.choosing.stopping.Stopping.check`.
        """
        for name, stopping in self._rules.items():
            stopping.check(f"early_stopping.{name}", epochs)


class Search(Section):
    """Who chooses the next trial, how many trials there are, and how many may be pending at once."""

    sampler: Annotated[str, known("sampler", SAMPLERS)] = Field(
        default="random", description="who chooses the next trial"
    )
    options: SerializeAsAny[Sampler] = Field(
        default={}, validate_default=True, description="the sampler's own, as listed with each sampler below"
    )
    pbt: Pbt | None = Field(default=None, description="train the trials as populations")
    trials: Count | None = Field(
        default=None,
        description="in all; required, except for grid (every point by default), with pbt (one population), and where "
        "nothing is searched (1)",
    )
    seed: Seed = Field(
        default_factory=lambda: secrets.randbelow(2**32), description="the same seed gives the same trials"
    )
    concurrency: Count | None = Field(
        default=None,
        description="most trials pending at once; by default two per worker for samplers that learn from results, "
        "a generation for genetic, and else as many as make large cohorts",
    )
    enqueue: list[dict[str, Any]] = Field(
        default=[],
        description="configurations that are tried first; parameters that one leaves out are sampled; not with grid",
    )
    warm_start: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="an earlier study whose completed trials inform the sampler: its folder, or the URL of its "
        "database, with #name where that holds several",
    )

    @property
    def method(self) -> str:
        """Who chooses, in words."""
        return f"sampler {self.sampler}" if self.pbt is None else "population-based training"

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
    """What one worker occupies."""

    cpu: Count = Field(default=1, description="CPU cores")
    gpu: Annotated[float, Field(ge=0, strict=True)] | Literal["auto"] = Field(
        default="auto", description="GPUs, or a share of one; auto is one GPU where the cluster has any, else none"
    )


class Refit(Section):
    """Training the best configuration once more, to be tested and drawn."""

    epochs: Count | None = Field(
        default=None,
        description="by default the best trial's own best epoch where nothing is held out, else the trials' epochs",
    )
    seeds: Members = Field(default=1, description="networks, trained from different initial weights")
    validation: Annotated[float, Field(ge=0, lt=1, strict=True)] | None = Field(
        default=None,
        description="share of the training rows held out to choose the best epoch; 0 trains on everything; by default "
        "the task's validation split, where it brings one, and else 0",
    )
    patience: Count | None = Field(
        default=None,
        description="stop once the validation metric has not improved for so many epochs; needs rows held out",
    )
    track_test: bool = Field(
        default=False, description="measure the test metrics after every epoch, to look at; nothing is chosen by them"
    )
    params: dict[str, Any] = Field(
        default={},
        description="hyperparameters that replace those of the best trial, such as a schedule that short trials cannot judge",
    )
    folds: Folds | None = Field(
        default=None,
        description="also cross-validate the chosen configuration over so many folds, trained as a trial is",
    )
    subset: Count | None = Field(default=None, description="do all of this on so many training rows; all by default")
