"""The numbers behind the map of the plane."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.plots.refit import decision_map
from analysis.plots.refit.predictions import Predictions, scores
from analysis.result import StudyResult


def test_decision_map_agrees_with_the_network(spirals_study: StudyResult) -> None:
    predictions = Predictions(spirals_study)
    assert predictions.test is not None
    assert predictions.classes is not None
    found = decision_map.compute(predictions, predictions.classes)
    accuracy = 1 - len(found.wrong) / len(predictions.test[1])
    assert accuracy == pytest.approx(spirals_study.refit.test["accuracy_ensemble"])
    left, right, bottom, top = found.extent
    corners = np.array([[left, bottom], [right, bottom], [left, top], [right, top]], dtype=np.float32)
    expected = scores(spirals_study.refit.predict(corners)).argmax(axis=1)
    np.testing.assert_array_equal(found.shares[[0, 0, -1, -1], [0, -1, 0, -1]].argmax(axis=1), expected)
