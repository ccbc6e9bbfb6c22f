"""The numbers behind the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

from analysis.plots.refit import confusion
from analysis.plots.refit.predictions import Predictions, classes_of
from analysis.result import StudyResult


def test_confusion_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(200, 4)), rng.choice([0, 1, 3], 200)
    found = confusion.compute(outputs, targets, np.arange(4))
    predicted = outputs.argmax(axis=1)
    np.testing.assert_array_equal(found.counts, confusion_matrix(targets, predicted, labels=range(4)))
    assert found.accuracy == pytest.approx(accuracy_score(targets, predicted))
    assert np.isnan(found.shares[2]).all()  # class 2 has no sample
    assert found.weakest == np.nanargmin(np.diag(found.shares))


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_one_logit_decides_between_two_labels(shape: tuple[int, ...]) -> None:
    targets = np.array([-1, -1, -1, 1, 1, 1])
    outputs = np.array([-2.0, 1e-30, -1.0, 3.0, 2.0, -0.5]).reshape(shape)
    classes = classes_of(targets, shape[1:])
    assert classes is not None
    found = confusion.compute(outputs, targets, classes)
    np.testing.assert_array_equal(found.counts, [[2, 1], [1, 2]])


def test_caption_names_the_weakest_class() -> None:
    outputs = np.eye(3)[[0, 0, 1, 2, 2, 1]]
    text = confusion.caption(confusion.compute(outputs, np.array([0, 0, 1, 1, 2, 2]), np.arange(3)))
    assert text == (
        "66.7 % of 6 test samples are on the diagonal; class 1 is the weakest with 50.0 %, "
        "taken most often for 2 (1 of 2)."
    )


def test_confusion_of_a_study_has_its_accuracy(digits_study: StudyResult) -> None:
    predictions = Predictions(digits_study)
    assert predictions.test is not None
    assert predictions.classes is not None
    found = confusion.compute(
        predictions.outputs(predictions.test[0]).mean(axis=0), predictions.test[1], predictions.classes
    )
    assert found.accuracy == pytest.approx(digits_study.refit.test["accuracy_ensemble"])
    assert found.counts.sum() == 360
