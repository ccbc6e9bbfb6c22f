"""The sections of a study file, checked: unknown keys, wrong types and impossible values are errors."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from search_spaces.choosing.population import Pbt
from search_spaces.choosing.rungs import Rule
from search_spaces.choosing.sampler import Sampler
from search_spaces.choosing.samplers import SAMPLERS, Random
from search_spaces.choosing.stopping import Asha, Hyperband, Median, Stopping
from search_spaces.study.fields import Count, Folds, Members, OpenShare, Section, Seed, absolute_url, known
from search_spaces.study.messages import made

ENGINES = {"ray_tune": "cluster.engines.ray_tune", "inline": "cluster.engines.inline"}
"""The module of each engine, imported when a study is run by it: Ray takes seconds. Its function ``place`` opens it."""


class TaskOptions(Section):
    """How each trial is trained and validated; every other key is an option of the task itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    epochs: Count = Field(default=30, description="epochs of a trial that is not stopped early")
    folds: Members = Field(default=1, description="number of folds; from 2 on, each trial is k-fold cross-validated")
    repeats: Members = Field(default=1, description="how often each fold is trained, from different initial weights")
    validation: OpenShare = Field(
        default=0.2,
        description="share of the training rows to validate on; used without folds, where the data brings no validation split",
    )
    split_seed: Seed = Field(default=0, description="seed of the folds, the validation split and the subset")
    subset: Count | None = Field(
        default=None, description="number of training rows to search on, drawn at random; by default all"
    )

    @property
    def own(self) -> dict[str, Any]:
        """The options meant for the task's constructor."""
        return dict(self.model_extra or {})


class EarlyStopping(Section):
    """Which trials end before their last epoch.

    At most one rule may compare trials with each other; ``patience`` looks at one trial alone and works beside it. With
    several objectives there can be no rule, since it would stop trials that are good by another objective; patience then
    follows the first one. ``early_stopping: none`` is the same as leaving the section out.
    """

    asha: Asha | None = None
    median: Median | None = None
    hyperband: Hyperband | None = None
    patience: Count | None = Field(
        default=None, description="end a trial after this number of epochs without a better validation metric"
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
        default={}, validate_default=True, description="options of the sampler, as listed with each sampler below"
    )
    pbt: Pbt | None = None
    trials: Count | None = Field(
        default=None,
        description="number of trials; required, except with grid (by default every point), with pbt (by default one "
        "population), and where all of the space is constant (one trial)",
    )
    seed: Seed = Field(
        default_factory=lambda: secrets.randbelow(2**32),
        description="seed of all random numbers; with `order: exact` the same seed gives the same study",
    )
    order: Literal["fast", "exact"] = Field(
        default="fast",
        description="fast: a sampler that learns, and a rung, use whatever has come so far, so timing plays a part; "
        "exact: they go by a clock that counts epochs instead of seconds, so that the same seed gives the same study on "
        "any number of workers and after any kill, which leaves workers idle at times",
    )
    concurrency: Count | None = Field(
        default=None,
        description="most trials pending at once; by default two per worker for samplers that learn from results, "
        "a generation for genetic, and otherwise enough for large stacks",
    )
    enqueue: list[dict[str, Any]] = Field(
        default=[],
        description="configurations to try first; parameters that one leaves out are sampled; not with grid",
    )
    warm_start: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="an earlier study whose completed trials inform the sampler: its folder, or the URL of its "
        "database, followed by #name where that holds several studies",
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
        return made(SAMPLERS[info.data["sampler"]], raw, parents=("search", "options"))


class Resources(Section):
    """What trains the trials, and what one worker occupies."""

    engine: Annotated[str, known("engine", ENGINES)] = Field(
        default="ray_tune",
        description="ray_tune: on this machine or a cluster; inline: one worker in this process, without Ray, for "
        "debuggers, notebooks and tiny studies",
    )

    cpu: Count = Field(default=1, description="CPU cores")
    gpu: Annotated[float, Field(ge=0, strict=True)] | Literal["auto"] = Field(
        default="auto", description="GPUs, or a share of one; auto is one GPU where the cluster has any, else none"
    )


class Refit(Section):
    """The best configuration is trained once more, tested and drawn."""

    epochs: Count | None = Field(
        default=None,
        description="number of epochs; by default the best epoch of the best trial where no rows are held out, and otherwise "
        "the epochs of a trial",
    )
    seeds: Members = Field(default=1, description="number of networks, trained from different initial weights")
    validation: Annotated[float, Field(ge=0, lt=1, strict=True)] | None = Field(
        default=None,
        description="share of the training rows held out to choose the best epoch; 0 trains on all rows; by default the "
        "task's own validation split where it has one, and otherwise 0",
    )
    patience: Count | None = Field(
        default=None,
        description="stop after this number of epochs without a better validation metric; needs rows held out",
    )
    track_test: bool = Field(
        default=False,
        description="measure the test metrics after every epoch, for the figures only; nothing is chosen by them",
    )
    params: dict[str, Any] = Field(
        default={},
        description="hyperparameters that replace those of the best trial, such as a schedule that short trials cannot judge",
    )
    folds: Folds | None = Field(
        default=None,
        description="also cross-validate the best configuration over this number of folds, each trained as in a trial",
    )
    subset: Count | None = Field(default=None, description="number of training rows for all of this; by default all")
