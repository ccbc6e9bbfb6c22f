"""The numbers behind the figure of the Pareto front."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from optuna.trial import TrialState

from analysis.plots.search import pareto
from analysis.plots.style import new_figure
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome

TWO = [Objective("val_loss", "min"), Objective("parameters", "min")]


def outcomes(values: list[list[float]], objectives: list[Objective]) -> list[Outcome]:
    return [
        Outcome(
            number, TrialState.COMPLETE, point[0], metrics={o.metric: v for o, v in zip(objectives, point, strict=True)}
        )
        for number, point in enumerate(values)
    ]


def test_the_line_turns_at_the_front_from_the_best_by_the_second() -> None:
    found = pareto.compute(outcomes([[3, 1], [1, 3], [2, 2], [3, 3], [2, 4]], TWO), TWO)
    assert found.on_front.tolist() == [True, True, True, False, False]
    assert found.edge.tolist() == [0, 2, 1]
    large = [Objective("a", "max"), Objective("b", "max")]
    larger = pareto.compute(outcomes([[1, 3], [3, 1], [2, 2]], large), large)
    assert larger.edge.tolist() == [0, 2, 1]
    assert "3 of 5 completed trials" in pareto.caption(found)
    assert "from trial 1 (val_loss 1, parameters 3) to trial 0 (val_loss 3, parameters 1)." in pareto.caption(found)


def test_a_third_objective_puts_more_on_the_front_than_on_the_line() -> None:
    three = [*TWO, Objective("error", "min")]
    found = pareto.compute(outcomes([[1, 1, 9], [2, 2, 1], [3, 3, 5]], three), three)
    assert found.on_front.tolist() == [True, True, False]
    assert found.edge.tolist() == [0]
    assert "1 further objective counts too" in pareto.caption(found)


def labels(figure: Figure) -> list[Annotation]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation)]


@pytest.mark.parametrize("modes", [("min", "min"), ("max", "min"), ("max", "max")])
def test_numbers_cover_neither_each_other_nor_any_trial(modes: tuple[str, str]) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0.05, 1, (300, 2)) ** 2 * (1, 1e5)
    objectives = [Objective("loss", modes[0]), Objective("parameters", modes[1])]  # type: ignore[arg-type]
    found, figure = pareto.compute(outcomes(points.tolist(), objectives), objectives), new_figure()
    pareto.draw(found, figure.add_subplot())
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in labels(figure)]
    assert 2 <= len(boxes) <= found.on_front.sum()
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    places = figure.axes[0].transData.transform(found.values[:, 1::-1])
    assert not any(box.contains(x, y) for box in boxes for x, y in places)
    shown = {int(text.get_text()) for text in labels(figure)}
    ends = found.numbers[found.edge[[0, -1]]]
    assert set(ends.tolist()) <= shown <= set(found.numbers[found.on_front].tolist())
