"""The numbers behind the curve through the points."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.plots.refit import fit
from analysis.plots.refit.predictions import Predictions
from analysis.result import StudyResult


def test_fit_has_the_studys_error(regression_study: StudyResult) -> None:
    found = fit.compute(Predictions(regression_study))
    assert found.error**2 == pytest.approx(regression_study.refit.test["loss_ensemble"], rel=1e-4)
    assert found.each.shape == (3, len(found.x))
    expected = regression_study.refit.predict(found.x[:, None].astype(np.float32))[:, 0]
    np.testing.assert_allclose(found.ensemble, expected, atol=1e-5)
