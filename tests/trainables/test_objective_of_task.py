"""What a study optimises in place of the task's own metric, as training sees it."""

from __future__ import annotations

import pytest
import torch

from search_spaces.errors import StudyError, TaskError
from search_spaces.study.study import Study
from search_spaces.trials.objectives import Objective
from trainables.cohort import Cohort, Data, Plan
from trainables.data.folds import search_splits
from trainables.recipe import network_params
from trainables.rehearsal import rehearse
from trainables.tasks import make_task, task_of
from trainables.tasks.digits import Digits


def study(**objectives: str) -> Study:
    """Digits on few rows."""
    return Study(task="digits", objectives=objectives, task_options={"epochs": 4, "folds": 2, "subset": 120})


def test_the_first_objective_is_the_metric_of_this_study_alone() -> None:
    own = make_task("digits", {})
    task = task_of(study(accuracy="max", val_loss="min"), own)
    assert (task.metric, task.mode) == ("accuracy", "max")
    assert (own.metric, own.mode) == (Digits.metric, Digits.mode) == ("loss", "min")
    assert task_of(study(), own) is own
    assert task_of(study(val_loss="max")).metric == "loss"


def test_epochs_are_chosen_by_the_first_and_the_others_are_read_there() -> None:
    one = study(val_accuracy="max", val_loss="min", parameters="min")
    task = task_of(one)
    dataset = task.load(None)
    data = Data.on(torch.device("cpu"), *dataset.all_rows)
    trials = [(0, {"width": 8, "lr": 0.01}), (1, {"width": 8, "lr": 0.1}), (2, {"depth": 7, "width": -1})]
    cohort = Cohort(task, data, Plan(search_splits(dataset, one.task_options), 4, key=0), trials)
    epochs = [cohort.advance() for _ in range(4)]
    outcomes = {outcome.number: outcome for outcome in cohort.ended}
    for number in (0, 1):
        outcome = outcomes[number]
        best = max((by_trial[number] for by_trial in epochs), key=lambda e: (e.metrics["accuracy"], -e.epoch))
        assert (outcome.value, outcome.best_epoch) == (best.metrics["accuracy"], best.epoch)
        assert outcome.metrics["loss"] == best.metrics["loss"]
        network = task.network(network_params(task, trials[number][1]))
        assert outcome.metrics["parameters"] == sum(p.numel() for p in network.parameters()) == 64 * 8 + 8 + 80 + 10
    assert "parameters" not in outcomes[2].metrics  # its network cannot be built


def test_unknown_objectives_are_refused_before_anything_runs() -> None:
    task = make_task("digits", {})
    inputs, targets = task.load(None).all_rows
    for objectives in ([Objective("val_acuracy", "max")], [Objective("loss", "min"), Objective("acuracy", "max")]):
        with pytest.raises(StudyError, match=r"unknown objective '\w+'; did you mean 'val_accuracy'\? \(valid: para"):
            rehearse(task, study().search_space, inputs, targets, objectives=objectives)
    rehearse(task, study().search_space, inputs, targets, objectives=[Objective("accuracy", "max")])


def test_no_task_calls_a_metric_parameters() -> None:
    class Taken(Digits):
        def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"parameters": outputs[:, 0]}

    inputs, targets = Taken().load(None).all_rows
    with pytest.raises(TaskError, match=r"the names .*parameters.* are taken, got 'parameters'"):
        rehearse(Taken(), study().search_space, inputs, targets)
