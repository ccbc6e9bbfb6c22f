"""Augmentation does to images what it says, and draws numbers that depend on nobody else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from search_spaces.errors import TaskError
from tests.trainables.builders import make
from trainables.layers.augment import ERASED_AREA, Augment
from trainables.layers.keyed import KeyedModule
from trainables.recipe import Recipe
from trainables.shape import build
from trainables.stack.fused import Fused
from trainables.stack.loop import Loop
from trainables.stack.rng import root_key
from trainables.stack.signature import signature
from trainables.stack.strategy import Strategy
from trainables.tasks import make_task

EVERYTHING = {"rotation": 20.0, "flip": 0.5, "crop": 2, "erase": 0.5, "augment": 0.9}

MNIST = make_task("mnist", {})
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (400, 2, 12, 10)).astype(np.uint8))


def changed(x: Tensor, key: int = 0, **rates: Any) -> Tensor:
    """Images as they are trained on."""
    layer = Augment(**rates)
    layer.key = torch.tensor(root_key(5, key))
    return layer(x)


def unchanged(out: Tensor, x: Tensor = IMAGES) -> Tensor:
    """(N,) whether an image is the original."""
    return ((out - x).abs() < 0.01).flatten(1).all(1)


def test_evaluation_and_zero_rates_change_nothing() -> None:
    assert Augment(**EVERYTHING).eval()(IMAGES) is IMAGES
    assert changed(IMAGES) is IMAGES
    assert unchanged(changed(IMAGES, augment=0, **{k: v for k, v in EVERYTHING.items() if k != "augment"})).all()


def test_rates_are_no_part_of_a_saved_network() -> None:
    assert Augment(**EVERYTHING).state_dict() == {}


def test_a_certain_flip_mirrors() -> None:
    out = changed(IMAGES, flip=1)
    assert out.dtype == torch.float32
    assert torch.allclose(out, torch.flip(IMAGES, [3]).float(), atol=0.01)


def test_half_of_the_images_are_flipped() -> None:
    out = changed(IMAGES, flip=0.5)
    same, flipped = unchanged(out), unchanged(out, torch.flip(IMAGES, [3]))
    assert (same ^ flipped).all()
    assert float(flipped.double().mean()) == pytest.approx(0.5, abs=4 * 0.5 / 20)


def test_a_crop_shifts_by_whole_pixels_with_black_outside() -> None:
    padded = torch.from_numpy(np.pad(IMAGES.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2))))
    shifts = [padded[:, :, i : i + 12, j : j + 10] for i in range(5) for j in range(5)]
    found = torch.stack([unchanged(changed(IMAGES, crop=2), shifted) for shifted in shifts])
    assert (found.sum(0) == 1).all()
    assert found.double().mean(1).tolist() == pytest.approx([1 / 25] * 25, abs=4 * (0.04 * 0.96 / 400) ** 0.5)


@pytest.mark.parametrize("draw", [0.0, 0.3, 0.5, 0.75, 0.99])
def test_a_rotation_is_that_of_torchvision(draw: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Augment, "uniform", lambda self, shape: torch.full(shape, draw))
    x = torch.rand(3, 1, 21, 17, generator=torch.Generator().manual_seed(0))
    angle = (2 * draw - 1) * 50
    inside = (torch.arange(21) - 10)[:, None] ** 2 + (torch.arange(17) - 8) ** 2 <= 49
    out, both = changed(x, rotation=50), [rotate(x, a, InterpolationMode.BILINEAR) for a in (angle, -angle)]
    assert min(float(((out - one) * inside).abs().max()) for one in both) < 1e-4


def test_rotations_are_uniform_to_either_side() -> None:
    mark = torch.zeros(400, 1, 41, 41)
    mark[:, :, 4:7, 19:22] = 1
    out = changed(mark, rotation=60)[:, 0]
    rows = torch.arange(41.0) - 20
    down, right = (out.sum(2) @ rows, out.sum(1) @ rows)
    angles = torch.atan2(right, -down) * 180 / math.pi
    assert float(angles.abs().max()) == pytest.approx(60, abs=1)
    assert float(angles.mean()) == pytest.approx(0, abs=4 * 60 / 3**0.5 / 20)
    assert float(angles.abs().mean()) == pytest.approx(30, abs=4 * 30 / 3**0.5 / 20)


def test_one_rectangle_is_erased() -> None:
    black = changed(IMAGES, erase=1) == 0
    assert torch.equal(black[:, 0], black[:, 1])
    rows, columns = black[:, 0].any(2), black[:, 0].any(1)
    assert torch.equal(black[:, 0], rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):
        steps = nn.functional.pad(line.int(), (1, 1)).diff(dim=1)
        assert (steps.abs().sum(1) == 2).all()
        assert torch.equal((steps == 1).int().argmax(1) + line.sum(1), (steps == -1).int().argmax(1))
    area = black[:, 0].double().mean((1, 2))
    rounding = 12 / 120  # of either side to whole pixels
    assert float(area.min()) >= max(1 / 120, ERASED_AREA[0] - rounding)
    assert float(area.max()) <= ERASED_AREA[1] + rounding
    assert float(area.mean()) == pytest.approx(sum(ERASED_AREA) / 2, abs=0.03)
    assert rows.any(0).all() and columns.any(0).all()


def test_a_share_is_left_untouched() -> None:
    for rates in ({"crop": 2}, {"erase": 1.0}, {"flip": 1.0}):
        touched = ~unchanged(changed(IMAGES, **rates, augment=0.3))
        often = 24 / 25 if "crop" in rates else 1
        assert float(touched.double().mean()) == pytest.approx(0.3 * often, abs=4 * (0.21 / 400) ** 0.5)


def test_the_rest_of_an_erased_image_stays() -> None:
    out = changed(IMAGES, erase=0.5)
    erased = ~unchanged(out)
    assert float(erased.double().mean()) == pytest.approx(0.5, abs=4 * 0.5 / 20)
    assert ((out == IMAGES) | (out == 0)).all()


def test_images_epochs_and_members_differ() -> None:
    same = IMAGES[:1].expand(400, -1, -1, -1)
    first, again, other = (changed(same, key, rotation=20.0) for key in (0, 0, 1))
    assert torch.equal(first, again)
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert len(first.flatten(1).unique(dim=0)) == 400


@pytest.mark.parametrize("x", [IMAGES, IMAGES.float() / 255, IMAGES.double() / 255], ids=lambda x: str(x.dtype))
def test_rows_behind_change_nothing(x: Tensor) -> None:
    whole = changed(x, **EVERYTHING)
    assert whole.dtype == torch.float32
    assert torch.allclose(whole[:7], changed(x[:7], **EVERYTHING), rtol=0, atol=1e-4)
    assert torch.equal(unchanged(whole, x)[:7], unchanged(changed(x[:7], **EVERYTHING), x[:7]))


def networks(rates: Sequence[dict[str, Any]], **params: Any) -> list[nn.Module]:
    """Dense networks with augmentation, in float64."""
    dense = {**MNIST.defaults, "network": "dense", "width_1": 8, **params}
    return [build(MNIST, {**dense, **own}, root_key(7, m)).double() for m, own in enumerate(rates)]


RATES = [
    EVERYTHING,
    {**EVERYTHING, "rotation": 5.0, "crop": 0, "augment": 0.2},
    {**EVERYTHING, "rotation": 0.0, "flip": 1.0, "erase": 0.1},
]


def trained(kind: type[Strategy], chosen: Sequence[int], padding: int = 0, **params: Any) -> Tensor:
    """(members, P) weights after some steps of members with different rates."""
    all_networks, keys = networks(RATES, **params), torch.tensor([root_key(1, m) for m in range(3)])
    stack = make(kind, MNIST, [all_networks[m] for m in chosen], [Recipe(lr=0.01)] * len(chosen), 1)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 256, (3, 9 + padding, 1, 28, 28)).astype(np.uint8))
    x[:, :9] = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 9, 1, 28, 28)).astype(np.uint8))
    y = (torch.arange(9 + padding) % 10).expand(3, -1)
    shares = (torch.arange(9 + padding) < 9).double().expand(3, -1) / 9
    for step in range(3):
        rows = list(chosen)
        stack.step(x[rows], y[rows], shares[rows], keys[rows] + step)
    assert not stack.strategy.errors
    return stack.members.theta


def test_fused_equals_loop_with_other_rates_in_each_member() -> None:
    assert len({signature(network) for network in networks(RATES)}) == 1
    fused, loop = (trained(kind, range(3), dropout=0.2) for kind in (Fused, Loop))
    assert torch.allclose(fused, loop, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", [Fused, Loop])
def test_a_member_trains_the_same_in_any_company(kind: type[Strategy]) -> None:
    together = trained(kind, range(3))
    for m in range(3):
        assert torch.allclose(trained(kind, [m]), together[m : m + 1], rtol=1e-9, atol=1e-11)
    assert torch.allclose(trained(kind, [2, 0]), together[[2, 0]], rtol=1e-9, atol=1e-11)
    assert torch.allclose(trained(kind, range(3), padding=4), together, rtol=1e-9, atol=1e-11)


def test_steps_that_are_left_out_are_another_network() -> None:
    moving, erasing, neither = networks([{"flip": 0.5}, {"erase": 0.5}, {}])
    assert len({signature(network) for network in (moving, erasing, neither)}) == 3
    assert not any(isinstance(module, Augment) for module in neither.modules())


def test_no_two_layers_draw_the_same_numbers() -> None:
    (network,) = networks([EVERYTHING], network="cnn", conv_dropout=0.2, dropout=0.3, layers=2)
    layers = [module for module in network.modules() if isinstance(module, KeyedModule)]
    for layer in layers:
        layer.key = torch.tensor(root_key(3))
    assert len(layers) == 4
    assert len(torch.cat([layer.bits((100,)) for layer in layers]).unique()) == 400


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("rotation", 181, "a number from 0 to 180"),
        ("rotation", -1, "a number from 0 to 180"),
        ("flip", 2, "a number from 0 to 1"),
        ("crop", -1, "a whole number of at least 0"),
        ("crop", 1.5, "a whole number of at least 0"),
        ("erase", 1.1, "a number from 0 to 1"),
        ("augment", -0.1, "a number from 0 to 1"),
        ("erase", math.nan, "a number from 0 to 1"),
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: float, rule: str) -> None:
    for make_one in (lambda: Augment(**{name: value}), lambda: MNIST.network({**MNIST.defaults, name: value})):
        with pytest.raises(TaskError) as error:
            make_one()
        assert str(error.value) == f"{name}: must be {rule}, got {value}"
