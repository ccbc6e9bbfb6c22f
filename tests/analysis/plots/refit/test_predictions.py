"""What outputs of a network stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.plots.refit.predictions import classes_of, probabilities


@pytest.mark.parametrize(
    ("labels", "shape", "classes"),
    [
        ([0, 1, 2], (3,), [0, 1, 2]),
        ([0, 1, 2], (4,), [0, 1, 2, 3]),
        ([0, 5], (1,), [0, 5]),
        ([0, 1], (), [0, 1]),
        ([0, 1, 2], (1,), None),
        ([0, 3], (3,), None),
        ([-1, 1], (2,), None),
        ([0, 1], (2, 8, 8), None),
    ],
)
def test_classes_come_from_shape_and_labels(
    labels: list[int], shape: tuple[int, ...], classes: list[int] | None
) -> None:
    found = classes_of(np.array(labels), shape)
    assert (None if found is None else found.tolist()) == classes


def test_probabilities_are_torchs() -> None:
    logits = np.random.default_rng(0).normal(scale=100, size=(20, 3))
    expected = torch.softmax(torch.from_numpy(logits), 1)
    np.testing.assert_allclose(probabilities(logits), expected, atol=1e-12)
    np.testing.assert_allclose(
        probabilities(logits[:, :1])[:, 1], torch.sigmoid(torch.from_numpy(logits[:, 0])), atol=1e-12
    )
