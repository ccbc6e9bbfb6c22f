"""The networks of the image tasks, what they refuse, and the data of MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch import nn

from search_spaces.errors import DataError, TaskError
from trainables.data.dataset import Array
from trainables.data.readers.images import mnist
from trainables.layers.networks import ChannelsLast, Convolution, convolutions
from trainables.tasks import make_task
from trainables.tasks.mnist import drawn_widths

TASK = make_task("mnist", {})
SMALL = {"filters_1": 2, "filters_2": 3, "filters_3": 4, "width_1": 8}


def network(**params: Any) -> nn.Module:
    """A network of MNIST."""
    return TASK.network({**TASK.defaults, **SMALL, **params})


def widths_of(**params: Any) -> list[int]:
    """Units of its linear layers, from the inputs on."""
    layers = [layer for layer in network(**params).modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_changes_no_number(channels: int) -> None:
    x = torch.rand(4, channels, 9, 7, generator=torch.Generator().manual_seed(0))
    out = ChannelsLast()(x)
    assert torch.equal(out, x)
    assert out.stride() == (channels * 63, 1, channels * 7, channels)
    layer = nn.Conv2d(channels, 5, 3)
    assert torch.allclose(layer(out), layer(x), rtol=1e-5, atol=1e-6)
    view = x[:, :, ::2, 1:]  # not contiguous
    assert torch.equal(ChannelsLast()(view), view)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("pools", [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 19)])
def test_convolutions_tell_the_shape_behind_them(
    shape: tuple[int, int, int], pools: tuple[bool, bool], padding: str
) -> None:
    kernels = (5, 3)
    layers, left = convolutions(shape, [Convolution(2, k, p) for k, p in zip(kernels, pools, strict=True)], padding)
    assert layers(torch.zeros(6, *shape)).shape == (6, *left)
    sides = list(shape[1:])
    for kernel, pool in zip(kernels, pools, strict=True):
        sides = [(s - (kernel - 1 if padding == "valid" else 0)) // (2 if pool else 1) for s in sides]
    assert left == (2, *sides)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [3 * 4 * 4, 8, 10]),
        ({"convolutions": 0}, [784, 8, 10]),
        ({"convolutions": 1}, [2 * 12 * 12, 8, 10]),
        ({"padding": "same"}, [3 * 7 * 7, 8, 10]),
        ({"pooling": "last"}, [3 * 10 * 10, 8, 10]),
        ({"pooling": "last", "padding": "same", "convolutions": 3}, [4 * 14 * 14, 8, 10]),
        ({"layers": 0}, [3 * 4 * 4, 10]),
        ({"network": "dense", "layers": 3}, [784, 8, 64, 32, 10]),
        ({"network": "dense", "convolutions": 9, "padding": "none"}, [784, 8, 10]),
    ],
)
def test_layers_follow_from_the_hyperparameters(params: dict[str, Any], expected: list[int]) -> None:
    assert widths_of(**params) == expected


def test_dropout_activation_and_slope_reach_the_layers() -> None:
    made = network(conv_dropout=0.25, dropout=0.5, activation="leaky_relu", negative_slope=0.3, layers=2)
    assert [m.p for m in made.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.5, 0.5]
    assert [m.negative_slope for m in made.modules() if isinstance(m, nn.LeakyReLU)] == [0.3] * 4
    assert not any(isinstance(m, nn.ReLU) for m in made.modules())
    assert not network(initialisation="kaiming").dense[0].bias.any()  # type: ignore[union-attr, index]


WRONG = [
    ({"network": "cnm"}, "network: unknown network 'cnm'; did you mean 'cnn'?"),
    ({"padding": "vald"}, "unknown padding 'vald'; did you mean 'valid'?"),
    ({"pooling": "lost"}, "pooling: unknown pooling 'lost'; did you mean 'last'?"),
    ({"activation": "rellu"}, "unknown activation 'rellu'; did you mean 'relu'?"),
    ({"network": "dense", "activation": "rellu"}, "unknown activation 'rellu'; did you mean 'relu'?"),
    ({"initialisation": "he"}, "unknown initialisation 'he'; valid: "),
    ({"layers": 4}, "layers: must be a whole number between 0 and 3, got 4"),
    ({"layers": True}, "layers: must be a whole number between 0 and 3, got True"),
    ({"layers": 1.5}, "layers: must be a whole number between 0 and 3, got 1.5"),
    ({"convolutions": -1}, "convolutions: must be a whole number between 0 and 3, got -1"),
    ({"kernel_1": 29}, "kernel_1: nothing is left of an image of 28x28 behind convolution 1"),
    ({"kernel_1": 28}, "kernel_1: nothing is left of an image of 28x28 behind convolution 1"),
    ({"kernel_2": 12}, "kernel_2: nothing is left of an image of 28x28 behind convolution 2"),
    ({"kernel_2": 0}, "filters_2, kernel_2: must be at least 1, got 3 filters of side 0"),
    ({"filters_1": 0}, "filters_1, kernel_1: must be at least 1, got 0 filters of side 5"),
    ({"width_1": 0}, "every layer needs at least one unit, got widths [48, 0, 10]"),
    ({"width_profile": "free2"}, "width_profile: unknown profile 'free2'; did you mean 'free'?"),
    ({"width_profile": "constant", "width_maximum": 100}, "width_maximum: must be above 100, got 100"),
    ({"width_profile": "decreasing", "layers": 2, "draw_2": 1.1}, "draw_2: must be between 0 and 1, got 1.1"),
    ({"rotation": 181}, "rotation: must be a number from 0 to 180, got 181"),
]


@pytest.mark.parametrize(("params", "message"), WRONG, ids=[message for _, message in WRONG])
def test_bad_hyperparameters_are_refused_by_name(params: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as error:
        network(**params)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_share": 0}, "task_options.test_share: must be a number above 0, below 1, got 0"),
        ({"test_share": 1.0}, "task_options.test_share: must be a number above 0, below 1, got 1.0"),
        ({"mat": "a.mat"}, "task_options.mat: has no test split of its own; set task_options.test_share"),
        ({"test_share": "half"}, "task_options.test_share: must be a number above 0, below 1, got 'half'"),
        ({"test_shar": 0.2}, "task_options: unknown key 'test_shar'; did you mean 'test_share'?"),
    ],
)
def test_bad_options_of_mnist_are_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as error:
        make_task("mnist", options)
    assert str(error.value).startswith(message)


def rows_of(*arrays: Array | None) -> list[bytes]:
    """Images as bytes, sorted."""
    return sorted(image.tobytes() for array in arrays if array is not None for image in array)


def test_a_share_of_the_training_images_may_test(tiny_data: Path) -> None:
    images, labels = mnist(tiny_data, train=True)
    label_of = dict(zip((image.tobytes() for image in images), labels, strict=True))
    splits = {}
    for seed in (0, 0, 1):
        dataset = make_task("mnist", {"test_share": 0.2, "test_seed": seed}).load(tiny_data)
        test = dataset.read_test() or (np.empty(0), np.empty(0))
        assert (len(dataset.inputs), len(test[0])) == (160, 40)
        assert rows_of(dataset.inputs, test[0]) == rows_of(images)
        for x, y in (test, (dataset.inputs, dataset.targets)):
            assert [label_of[image.tobytes()] for image in x] == y.tolist()
        assert splits.setdefault(seed, rows_of(test[0])) == rows_of(test[0])
    assert splits[0] != splits[1]


def test_a_share_that_leaves_one_side_empty_is_refused(tiny_data: Path) -> None:
    with pytest.raises(DataError, match=r"^task_options\.test_share: a share of 0\.001 of 200 images leaves one side"):
        make_task("mnist", {"test_share": 0.001}).load(tiny_data)


def test_a_matlab_file_stands_for_the_training_images(tiny_data: Path, tmp_path: Path) -> None:
    images, labels = mnist(tiny_data, train=True)
    savemat(tmp_path / "d.mat", {"input_images": images.reshape(200, 784) / 255, "output_labels": labels})
    options = {"test_share": 0.25, "test_seed": 3}
    expected = make_task("mnist", options).load(tiny_data)
    task = make_task("mnist", {**options, "mat": "d.mat"})
    dataset = task.load(tmp_path)
    assert np.array_equal(dataset.inputs, expected.inputs)
    assert np.array_equal(dataset.targets, expected.targets)
    assert all(map(np.array_equal, dataset.read_test(), expected.read_test()))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="^d.mat: name the folder that this file is in with --data$"):
        task.load(None)


@pytest.mark.parametrize(
    ("maximum", "draws", "decreasing", "expected"),
    [
        (500, [0.1, 0.84], True, [480, 132]),  # of the report
        (500, [0.0, 0.0], True, [500, 300]),
        (500, [1.0, 1.0], True, [300, 100]),
        (400, [0.5, 0.5, 0.5], True, [350, 250, 150]),
        (400, [0.25], True, [325]),
        (600, [0.0, 0.5, 1.0], False, [600, 550, 500]),
        (300, [], True, []),
        (300, [], False, []),
    ],
)
def test_drawn_widths(maximum: int, draws: list[float], decreasing: bool, expected: list[int]) -> None:
    assert drawn_widths(maximum, draws, decreasing) == expected


def test_drawn_widths_reach_the_network() -> None:
    drawn = {"network": "dense", "layers": 2, "width_maximum": 500, "draw_1": 0.1, "draw_2": 0.84, "width_1": 7}
    assert widths_of(**drawn, width_profile="decreasing") == [784, 480, 132, 10]
    assert widths_of(**drawn, width_profile="constant") == [784, 490, 416, 10]
    assert widths_of(**drawn) == [784, 7, 64, 10]
