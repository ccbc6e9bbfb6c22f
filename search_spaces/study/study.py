"""A study: one search, described by one YAML file and checked before anything runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, PrivateAttr, TypeAdapter, ValidationError, field_validator, model_validator

from search_spaces.errors import StudyError, unknown
from search_spaces.space import Space
from search_spaces.study.consistency import check_enqueued, check_objectives, check_population, check_trials
from search_spaces.study.fields import Count, Name, Section, absolute_url
from search_spaces.study.messages import one_line
from search_spaces.study.sections import EarlyStopping, Refit, Resources, Search, TaskOptions
from search_spaces.study.task_object import is_object, keys_of, name_from
from search_spaces.study.yaml_file import dump_yaml, read_yaml
from search_spaces.trials.limits import UNBOUNDED, Limits, Tally
from search_spaces.trials.objectives import Mode, Objective
from search_spaces.trials.outcome import Outcome

MOST_PENDING = 2000
"""The concurrency of a sampler that does not learn: enough for large stacks."""

MOST_PENDING_BY_TIME = 64
"""The same, per worker, where the time is limited: trials that are pending when it is over are lost."""


PENDING_IN_ORDER = 8
"""The concurrency of a sampler that learns, with ``order: exact``: it must not depend on the number of workers."""


class Study(Section):
    """One search: a task, a space, who chooses, when to stop, where it runs, what follows.

    In Python ``task`` may also be a task object. The study file then names its class.

    Raises:
        StudyError: for anything that breaks a rule, in one line that names the key, the rule and the value.
    """

    name: Name = Field(
        "study",
        description="name of the study and of its folder; by default that of the file, followed by that of the profile",
    )
    task: Annotated[str, Field(min_length=1)] = Field(description="a shipped task, or `module:Class` of your own")
    module_dir: str | None = Field(None, description="folder of your own task's module; by default the study file's")
    data_dir: str | None = Field(None, description="folder of the task's data; `--data` replaces it")
    task_options: TaskOptions = TaskOptions()
    space: dict[str, Any] = Field({}, description="what is searched: hyperparameters by name")
    search: Search = Field(default_factory=Search)
    objectives: dict[str, Mode] = Field(
        {},
        description="what to optimise in place of the task's own metric, each `min` or `max`: validation metrics such as "
        "`val_loss`, `parameters`, `seconds`; the first one also chooses the best epoch and the best trial",
    )
    limits: Limits = Limits()
    early_stopping: EarlyStopping = EarlyStopping()
    resources: Resources = Resources()
    refit: Refit = Refit()
    database: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="URL of an Optuna database for the trials; by default `trials.journal` in the study's folder"
    )

    _task_object: Any = PrivateAttr(None)

    def __init__(self, **raw: Any) -> None:
        task = raw.get("task") if is_object(raw.get("task")) else None
        if task is not None:
            keys = keys_of(task)
            raw = {**raw, **keys, "name": raw.get("name", keys["name"])}
        try:
            super().__init__(**raw)
        except ValidationError as error:
            raise StudyError(one_line(error, type(self))) from error
        self._task_object = task
        if task is not None and self.task_options.own:
            option = next(iter(self.task_options.own))
            raise StudyError(f"task_options.{option}: the task is an object, so give it this where it is made")

    @property
    def task_object(self) -> Any:
        """The task, where it was given as an object; else None."""
        return self._task_object

    @field_validator("database")
    @classmethod
    def _absolute(cls, url: str | None) -> str | None:
        return url and absolute_url(url)

    @model_validator(mode="before")
    @classmethod
    def _one_number_of_trials(cls, raw: Any) -> Any:
        return _with_trials_in_search(raw)

    @field_validator("space", mode="before")
    @classmethod
    def _space(cls, raw: object) -> object:
        Space.parse(raw)
        return copy.deepcopy(raw)

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        search, space, epochs = self.search, self.search_space, self.task_options.epochs
        if search.pbt is not None:
            check_population(search.pbt, search, space, self.early_stopping, epochs)
        check_trials(search, space, self.limits)
        check_enqueued(search, space, self.trials)
        check_objectives(self.named_objectives, search, self.early_stopping)
        self.early_stopping.check(epochs)
        return self

    @cached_property
    def named_objectives(self) -> list[Objective]:
        """The objectives, the first one first; none where the task's own metric is optimised."""
        return [Objective(name, mode) for name, mode in self.objectives.items()]

    @cached_property
    def search_space(self) -> Space:
        """The parsed space."""
        return Space.parse(self.space)

    @cached_property
    def trials(self) -> int:
        """Number of trials in all; ``UNBOUNDED`` where only another limit ends the study."""
        if self.search.trials is not None:
            return self.search.trials
        if self.search.pbt is not None:
            return self.search.pbt.population
        if self.search_space.constant:
            return 1
        return self.search_space.grid_size() if self.search.sampler == "grid" else UNBOUNDED

    @property
    def bounded(self) -> bool:
        """Whether the study has a number of trials."""
        return self.trials < UNBOUNDED

    def ended_by(self, trials: Sequence[Outcome], seconds: float, objective: Objective) -> str | None:
        """The limit that ended the search, in words; None for one that has not ended.

        Args:
            trials: all, by number.
            seconds: of search, over all runs.
            objective: what is optimised, first of all.
        """
        return self.limits.reached(Tally.of(trials, seconds, objective), self.trials)

    def concurrency(self, workers: int) -> int:
        """Most trials that may be pending at once, on that many workers.

        A sampler that learns is not asked far ahead; the others propose as much as makes large stacks.
        """
        if self.search.concurrency is not None:
            return self.search.concurrency
        if self.search.order == "exact":
            workers = PENDING_IN_ORDER // 2  # the study must be the same on any number of workers
        if self.search.pbt is not None:
            return min(self.trials, workers * self.search.pbt.population)
        sampler = self.search.options
        most = MOST_PENDING if self.limits.minutes is None else MOST_PENDING_BY_TIME * workers
        return sampler.generation or min(self.trials, 2 * workers if sampler.learns else most)

    @classmethod
    def load(cls, source: str | Path, overrides: Mapping[str, Any] | None = None, profile: str | None = None) -> Study:
        """Load a study file, or a shipped study by name.

        Args:
            source: a path, or the name of a shipped study.
            overrides: values by dotted path, such as ``{"search.trials": 10, "space.lr.high": 0.01}``.
            profile: one of the file's ``profiles``, each a set of overrides; the study's name then ends with it.

        Raises:
            StudyError: if it cannot be found, read or breaks a rule.
        """
        path = _find(source)
        raw = read_yaml(path)
        if not isinstance(raw, dict):
            raise StudyError(
                f"{path}: a study file must be a mapping with the keys task and space, got {type(raw).__name__}"
            )
        changes = _profile(raw.pop("profiles", {}), profile)
        suffix = f"-{profile}" if profile else ""
        defaults: dict[str, Any] = {"name": name_from(path.stem) + suffix}
        if ":" in str(raw.get("task", "")):
            defaults["module_dir"] = str(path.resolve().parent)
        merged = {**defaults, **raw}
        merged = _with_trials_in_search(merged)
        for dotted, value in (*changes.items(), *(overrides or {}).items()):
            _override(merged, "search.trials" if dotted == "limits.trials" else dotted, value)
        return cls(**{str(key): value for key, value in merged.items()})

    def to_yaml(self) -> str:
        """The study as resolved: seed and number of trials included; loads as the same study."""
        search = self.search.model_copy(update={"trials": self.trials if self.bounded else None})
        return dump_yaml(self.model_copy(update={"search": search}).model_dump(exclude_none=True))


def shipped_studies() -> dict[str, Path]:
    """Files of the studies that come with tunefleet, by name."""
    folder = Path(str(resources.files("search_spaces"))) / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _find(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return path
    shipped = shipped_studies()
    if str(source) not in shipped:
        raise StudyError(unknown("study", source, shipped))
    return shipped[str(source)]


def _profile(profiles: object, name: str | None) -> dict[str, Any]:
    """The overrides of a profile; none without a name."""
    if not isinstance(profiles, dict) or not all(isinstance(changes, dict) for changes in profiles.values()):
        raise StudyError("profiles: must map names to overrides such as {search.trials: 10}, got " + repr(profiles))
    if name is None:
        return {}
    if name not in profiles:
        known = unknown("profile", name, profiles) if profiles else f"this study has none, got '{name}'"
        raise StudyError(f"--profile: {known}")
    return {str(dotted): value for dotted, value in profiles[name].items()}


def _with_trials_in_search(raw: Any) -> Any:
    """Move ``limits.trials`` to ``search.trials``; what is no number of trials stays, to be refused where it stands."""
    if not isinstance(raw, dict):
        return raw
    limits, search = (
        dict(part) if isinstance(part, Mapping | BaseModel) else part
        for part in (raw.get("limits"), raw.get("search", {}))
    )
    if not isinstance(limits, dict) or not isinstance(search, dict) or limits.get("trials") is None:
        return raw
    try:
        trials = TypeAdapter(Count).validate_python(limits.pop("trials"))
    except ValidationError:
        return raw
    if search.get("trials") not in (None, trials):
        raise StudyError(
            f"limits.trials: must be search.trials ({search['trials']}) where both are given, got {trials}"
        )
    return {**raw, "limits": limits, "search": {**search, "trials": trials}}


def _override(raw: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    target = raw
    for depth, key in enumerate(parents):
        inner = target.get(key)
        if inner is None:
            inner = {}
        elif not isinstance(inner, dict):
            where = ".".join(parents[: depth + 1])
            raise StudyError(f"{dotted}: cannot be set, because {where} is {inner!r} and has no keys")
        target[key] = dict(inner)
        target = target[key]
    target[last] = value
