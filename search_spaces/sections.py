"""The sections of a study file, checked: unknown keys, wrong types and impossible values are errors."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from search_spaces.errors import unknown
from search_spaces.genetic import CROSSOVERS
from search_spaces.samplers import SAMPLERS


def _whole(value: object) -> object:
    """1e3 is a whole number to people, and a float to YAML."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _known(kind: str, names: Collection[str]) -> AfterValidator:
    """Accept these names only."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(unknown(kind, name, names))
        return name

    return AfterValidator(check)


Count = Annotated[int, Field(ge=1, le=10_000_000, strict=True), BeforeValidator(_whole)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True), BeforeValidator(_whole)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Members = Annotated[int, Field(ge=1, le=1000, strict=True), BeforeValidator(_whole)]


class Section(BaseModel):
    """A part of a study file: unknown keys are errors, and a finished section never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    validation: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.2
    split_seed: Seed = 0
    subset: Count | None = None

    @property
    def own(self) -> dict[str, Any]:
        """The options meant for the task's constructor."""
        return dict(self.model_extra or {})


class Asha(Section):
    """Asynchronous successive halving: see ``search_spaces.rungs``."""

    grace_period: Count = 1
    reduction_factor: Annotated[float, Field(ge=1.5, le=100, strict=True)] = 3


class EarlyStopping(Section):
    """Which trials end before their last epoch.

    ``patience``: a trial ends once its validation metric has not improved for that many epochs.
    """

    asha: Asha | None = None
    patience: Count | None = None


class Genetic(Section):
    """The sampler ``genetic``: see ``search_spaces.genetic``.

    ``population`` trials make a generation. A child crosses two parents with ``crossover_probability``, else it copies
    one; then each gene is drawn anew with ``mutation_probability``, by default 1 / number of genes. At most
    ``elite_share`` of the parents are older than the last generation; 0 forgets them.
    """

    population: Annotated[int, Field(ge=3, le=100_000, strict=True), BeforeValidator(_whole)] = 30
    crossover: Annotated[str, _known("crossover", CROSSOVERS)] = "uniform"
    crossover_probability: Share = 0.9
    mutation_probability: Share | None = None
    elite_share: Share = 1.0


class Search(Section):
    """Who chooses the next trial, how many trials there are, and how many may be pending at once.

    ``enqueue``: configurations that are tried first; parameters that one leaves out are sampled. ``genetic``: options
    of the sampler of that name.
    """

    sampler: Annotated[str, _known("sampler", SAMPLERS)] = "random"
    trials: Count | None = None
    seed: Seed = Field(default_factory=lambda: secrets.randbelow(2**32))
    concurrency: Count | None = None
    enqueue: list[dict[str, Any]] = []
    genetic: Genetic | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The sampler's own options."""
        return (self.genetic or Genetic()).model_dump() if self.sampler == "genetic" else {}


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
    params: dict[str, Any] = {}
    folds: Annotated[int, Field(ge=2, le=1000, strict=True), BeforeValidator(_whole)] | None = None
    subset: Count | None = None
