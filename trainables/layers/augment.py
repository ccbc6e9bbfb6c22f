"""Random changes of images, drawn anew for each image, each epoch and each member, on whole batches and on the device."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from search_spaces.errors import TaskError
from search_spaces.study.fields import Section, Share
from search_spaces.study.messages import made
from trainables.layers.keyed import KeyedModule

ERASED_AREA = (0.02, 0.33)
ERASED_RATIO = (0.3, 3.3)
"""Shares of an image's area, and height by width, of an erased rectangle: defaults of Zhong et al. 2020."""


class Augmentation(Section, strict=True):
    """Images are rotated, flipped, shifted and partly erased while training, never while evaluating.

    Rotation, flip and shift are one affine map per image, sampled bilinearly, with black outside.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = Field(
        default=0.0, description="largest angle in degrees, to either side"
    )
    flip: Share = Field(default=0.0, description="probability of a horizontal flip")
    crop: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="largest shift in pixels, in each direction: a random crop of the image padded by so much",
    )
    erase: Share = Field(
        default=0.0,
        description="probability that a random rectangle is blackened (Zhong et al., "
        '"Random erasing data augmentation", AAAI 2020)',
    )
    augment: Share = Field(
        default=1.0, description="probability that an image is changed at all; below 1 the network also sees originals"
    )


class Augment(KeyedModule):
    """The layer that does so; hyperparameters as in :class:`Augmentation`.

    Raises:
        TaskError: naming the hyperparameter, the rule that its value breaks, and the value.
    """

    rotation: Tensor
    flip: Tensor
    crop: Tensor
    erase: Tensor
    augment: Tensor

    def __init__(self, **hyperparameters: float) -> None:
        super().__init__()
        rates = made(Augmentation, hyperparameters, TaskError)
        for name, value in rates:
            # Tensors, so that members with other rates may share a stack.
            self.register_buffer(name, torch.tensor(float(value)), persistent=False)
        # Whole steps are left out where they cannot matter; that is part of a network's signature.
        self.moves = bool(rates.rotation or rates.flip or rates.crop)
        self.erases = bool(rates.erase)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of pixels, black at 0, to floats of the same shape; unchanged when not training."""
        if not (self.training and (self.moves or self.erases)):
            return x
        draws = self.uniform((len(x), 10)).unbind(1)
        chosen = draws[0] < self.augment
        x = x.to(self.rotation.dtype)
        if self.moves:
            x = self._moved(x, chosen, *draws[1:5])
        return self._erased(x, chosen, *draws[5:]) if self.erases else x

    def _moved(self, x: Tensor, chosen: Tensor, angle: Tensor, flip: Tensor, right: Tensor, down: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        angle = (2 * angle - 1) * self.rotation * (math.pi / 180) * chosen
        sign = torch.where((flip < self.flip) & chosen, -1.0, 1.0)
        shifts = [((2 * self.crop + 1) * s).floor().sub(self.crop) * chosen for s in (right, down)]
        cosine, sine = angle.cos(), angle.sin()
        # Where each pixel of the result comes from, in pixels around the centre; the flip comes last.
        rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
        columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
        u = (columns * sign[:, None] + shifts[0][:, None])[:, None, :]
        v = (rows + shifts[1][:, None])[:, :, None]
        cosine, sine = cosine[:, None, None], sine[:, None, None]
        grid = torch.stack([(cosine * u - sine * v) * (2 / width), (sine * u + cosine * v) * (2 / height)], dim=-1)
        return nn.functional.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _erased(
        self, x: Tensor, chosen: Tensor, hit: Tensor, area: Tensor, ratio: Tensor, right: Tensor, down: Tensor
    ) -> Tensor:
        height, width = x.shape[-2:]
        least, most = ERASED_AREA
        area = (least + (most - least) * area) * height * width
        low, high = map(math.log, ERASED_RATIO)
        ratio = (low + (high - low) * ratio).exp()
        tall, wide = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
        tall, wide = tall.clamp(1, height), wide.clamp(1, width)
        top, left = ((height - tall + 1) * down).floor(), ((width - wide + 1) * right).floor()
        rows = torch.arange(height, device=x.device)
        columns = torch.arange(width, device=x.device)
        inside_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
        inside_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
        erased = inside_rows[:, :, None] & inside_columns[:, None, :] & (chosen & (hit < self.erase))[:, None, None]
        return x.masked_fill(erased[:, None], 0.0)
