"""TensorBoard: one run per trial, with every hyperparameter.

Written by hand with TensorBoard's own protocol buffers, because the experiment's columns must come from the whole
search space: a column list taken from one trial (as ``SummaryWriter.add_hparams`` writes it) misses the parameters
that this trial did not have.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from search_spaces.space import Space
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Epoch, Outcome

MOST_POINTS = 100
"""Epochs written per trial; longer trials are thinned."""

FILE = "events.out.tfevents.{number}.tunefleet"


class TensorBoardLog:
    """Writes the runs of one study.

    Args:
        folder: the study's ``tensorboard`` folder.
        space: gives the columns of the HParams table.
        epochs: of an undisturbed trial, for thinning.
        objectives: of the study; with several, each is a column beside the value, which is the first.
    """

    def __init__(self, folder: Path, space: Space, epochs: int, objectives: Sequence[Objective] = ()) -> None:
        self._folder = folder
        self._every = -(-epochs // MOST_POINTS)
        self._objectives = objectives if len(objectives) > 1 else ()
        tags = ["hparam/value", "hparam/epochs", *(f"hparam/{o.name}" for o in self._objectives)]
        experiment = api_pb2.Experiment(
            hparam_infos=[_column(p.name, p.distribution) for p in space.parameters],
            metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags],
        )
        self._write(folder / FILE.format(number="study"), [_hparams(metadata.EXPERIMENT_TAG, experiment=experiment)])

    def start(self, number: int, params: Mapping[str, Any], fresh: bool = True) -> None:
        """Begin a trial's run; ``fresh`` forgets what an interrupted run of it has left."""
        path = self._path(number)
        if fresh:
            path.unlink(missing_ok=True)
        info = plugin_data_pb2.SessionStartInfo(group_name=str(number), start_time_secs=time.time())
        for name, value in params.items():
            info.hparams[name].CopyFrom(_value(value))
        self._write(
            path,
            [
                Event(wall_time=time.time(), file_version="brain.Event:2"),
                _hparams(metadata.SESSION_START_INFO_TAG, session_start_info=info),
            ],
        )

    def epochs(self, number: int, epochs: Iterable[Epoch]) -> None:
        """Append a trial's curves, thinned."""
        self._write(
            self._path(number),
            [
                _scalars(e.epoch, {"loss/train": e.train_loss, "lr": e.lr, **_named(e.metrics)})
                for e in epochs
                if e.epoch % self._every == 0 or e.epoch == 1
            ],
        )

    def finish(self, outcome: Outcome) -> None:
        """End a trial's run with its value and state."""
        status = api_pb2.STATUS_FAILURE if outcome.state is TrialState.FAIL else api_pb2.STATUS_SUCCESS
        info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
        last: dict[str, float] = {"hparam/epochs": outcome.epochs}
        if outcome.value is not None:
            last["hparam/value"] = outcome.value
            values = outcome.values(self._objectives) or []
            last |= {f"hparam/{o.name}": v for o, v in zip(self._objectives, values, strict=False)}
        events = [_scalars(outcome.epochs, last), _hparams(metadata.SESSION_END_INFO_TAG, session_end_info=info)]
        self._write(self._path(outcome.number), events)

    def refit(self, history: Iterable[Mapping[str, float]]) -> None:
        """Write the refit's curves, one run per seed."""
        runs: dict[int, list[Event]] = {}
        for row in history:
            seed, epoch = int(row["seed"]), int(row["epoch"])
            rest = {_tag(k): v for k, v in row.items() if k not in {"seed", "epoch"}}
            runs.setdefault(seed, []).append(_scalars(epoch, rest))
        for seed, events in runs.items():
            path = self._folder / "refit" / str(seed) / FILE.format(number="refit")
            path.unlink(missing_ok=True)
            self._write(path, events)

    def _path(self, number: int) -> Path:
        return self._folder / str(number) / FILE.format(number=number)

    def _write(self, path: Path, events: Iterable[Event]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())


def _tag(column: str) -> str:
    """ "validation_loss" to "loss/validation", so that curves of one metric share a chart."""
    split, _, metric = column.partition("_")
    return f"{metric}/{split}" if metric else column


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}/validation": value for name, value in metrics.items()}


def _scalars(step: int, values: Mapping[str, float]) -> Event:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
    return Event(wall_time=time.time(), step=step, summary=summary)


def _hparams(tag: str, **content: Any) -> Event:
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
    value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))
    return Event(wall_time=time.time(), summary=Summary(value=[value]))


def _value(value: Any) -> struct_pb2.Value:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    return struct_pb2.Value(string_value=str(value))


def _column(name: str, distribution: Any) -> api_pb2.HParamInfo:
    info = api_pb2.HParamInfo(name=name, type=api_pb2.DATA_TYPE_FLOAT64)
    if isinstance(distribution, CategoricalDistribution):
        kinds = {_value(choice).WhichOneof("kind") for choice in distribution.choices}
        types = {"bool_value": api_pb2.DATA_TYPE_BOOL, "number_value": api_pb2.DATA_TYPE_FLOAT64}
        info.type = types.get(kinds.pop(), api_pb2.DATA_TYPE_STRING) if len(kinds) == 1 else api_pb2.DATA_TYPE_STRING
        info.domain_discrete.extend([c if isinstance(c, int | float) else str(c) for c in distribution.choices])
    else:
        info.domain_interval.min_value, info.domain_interval.max_value = distribution.low, distribution.high
    return info
