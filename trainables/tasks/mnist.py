"""MNIST (LeCun et al. 1998): 60 000 + 10 000 grey images of 28x28 pixels, handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from search_spaces.errors import DataError, TaskError, unknown
from search_spaces.study.fields import OpenShare, Seed
from trainables.data.dataset import Dataset, Pair
from trainables.data.readers.images import mnist
from trainables.data.readers.mat import mnist_mat
from trainables.layers.networks import whole
from trainables.options import checked
from trainables.tasks.images import ImageTask

NARROWEST = 100
PROFILES = ("free", "decreasing", "constant")
MAT = "MATLAB file below the data folder to read instead, with `input_images` and `output_labels`; needs `test_share`"
TEST_SHARE = "share of the training images that becomes the test split, in place of MNIST's own"


class Mnist(ImageTask):
    """Classify handwritten digits. Reads ``MNIST/raw`` below the data folder, as torchvision lays it out.

    With ``width_profile: decreasing`` or ``constant`` the widths of the hidden layers follow from ``width_maximum``
    and one number per layer, ``draw_1`` to ``draw_3``, as in Braghetto 2019. Decreasing: the range from
    ``width_maximum`` down to 100 is cut into one part per layer, and each draw says where in its part a width lies.
    Constant: every width lies between ``width_maximum`` - 100 and ``width_maximum``. A draw of 0 is the widest.
    """

    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)

    defaults: ClassVar[Mapping[str, Any]] = {
        **ImageTask.defaults,
        "width_profile": "free",
        "width_maximum": 500,
        "draw_1": 0.5,
        "draw_2": 0.5,
        "draw_3": 0.5,
    }

    @checked
    def __init__(
        self,
        mat: Annotated[str | None, Field(description=MAT)] = None,
        test_share: Annotated[OpenShare | None, Field(description=TEST_SHARE)] = None,
        test_seed: Annotated[Seed, Field(description="seed that chooses these images")] = 0,
    ) -> None:
        if mat is not None and test_share is None:
            raise TaskError("task_options.mat: has no test split of its own; set task_options.test_share, 0.2 say")
        self.mat = mat
        self.test_share = test_share
        self.test_seed = test_seed

    def read(self, data_dir: Path | None, train: bool) -> Pair:
        """See :meth:`ImageTask.read`."""
        if self.test_share is None:
            return mnist(data_dir, train)
        images, labels = self._everything(data_dir)
        rows = np.random.default_rng(self.test_seed).permutation(len(images))
        test = round(self.test_share * len(images))
        if not 0 < test < len(images):
            raise DataError(
                f"task_options.test_share: a share of {self.test_share} of {len(images)} images leaves one side empty"
            )
        chosen = np.sort(rows[test:] if train else rows[:test])
        return images[chosen], labels[chosen]

    def load(self, data_dir: Path | None) -> Dataset:
        """See :meth:`ImageTask.load`."""
        if self.mat is not None and data_dir is None:
            raise DataError(f"{self.mat}: name the folder that this file is in with --data")
        return super().load(data_dir)

    def widths(self, params: Mapping[str, Any]) -> list[int]:
        """Units of the hidden dense layers."""
        profile = params["width_profile"]
        if profile not in PROFILES:
            raise TaskError(f"width_profile: {unknown('profile', profile, PROFILES)}")
        if profile == "free":
            return super().widths(params)
        draws = [params[f"draw_{i}"] for i in range(1, whole(params, "layers", 0, 3) + 1)]
        return drawn_widths(params["width_maximum"], draws, decreasing=profile == "decreasing")

    def _everything(self, data_dir: Path | None) -> Pair:
        return mnist(data_dir, train=True) if self.mat is None else mnist_mat((data_dir or Path()) / self.mat)


def drawn_widths(maximum: int, draws: list[float], decreasing: bool) -> list[int]:
    """Hidden widths after Braghetto 2019.

    Decreasing: the range from ``maximum`` down to 100 is cut into one step per layer, and layer i drawn from the i-th.
    Constant: each layer is drawn between ``maximum`` - 100 and ``maximum``.

    Args:
        maximum: units of the widest layer, above 100.
        draws: where in its range each layer lies, 0 to 1; 0 is the widest.
        decreasing: which of the two.

    Raises:
        TaskError: if ``maximum`` is not above 100, or a draw not between 0 and 1.
    """
    if maximum <= NARROWEST:
        raise TaskError(f"width_maximum: must be above {NARROWEST}, got {maximum}")
    for i, draw in enumerate(draws, start=1):
        if not 0 <= draw <= 1:
            raise TaskError(f"draw_{i}: must be between 0 and 1, got {draw}")
    if not decreasing:
        return [round(maximum - NARROWEST * draw) for draw in draws]
    step = (maximum - NARROWEST) / max(1, len(draws))
    return [round(maximum - (i + draw) * step) for i, draw in enumerate(draws)]
