"""MemberDropout drops a share p, without bias, independently everywhere."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from trainables.layers.keyed import MemberDropout, replace_dropout
from trainables.stack.rng import root_key

N = 40_000


def kept(p: float, place: int = 0, *path: int) -> Tensor:
    """What dropout makes of ones."""
    layer = MemberDropout(p, place)
    layer.key = torch.tensor(root_key(0, *path))
    return layer(torch.ones(200, N // 200, dtype=torch.float64))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_share_p_is_dropped_without_bias(p: float) -> None:
    out = kept(p)
    deviation = (p * (1 - p) / N) ** 0.5
    assert float((out == 0).double().mean()) == pytest.approx(p, abs=4 * deviation)
    assert float(out.mean()) == pytest.approx(1, abs=4 * deviation / (1 - p))
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)])


def test_the_ends_of_the_range() -> None:
    assert torch.equal(kept(0.0), torch.ones(200, N // 200, dtype=torch.float64))
    assert not kept(1.0).any()


def test_evaluation_drops_nothing() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert MemberDropout(0.5, 0).eval()(x) is x


def test_masks_of_layers_members_and_steps_are_independent() -> None:
    masks = [
        kept(0.5, place, member, step) > 0 for place, member, step in itertools.product(range(2), range(3), range(2))
    ]
    for a, b in itertools.combinations(masks, 2):
        assert float((a == b).double().mean()) == pytest.approx(0.5, abs=4 * 0.5 / N**0.5)


def test_rows_and_units_are_independent() -> None:
    mask = (kept(0.5) > 0).double() - 0.5
    assert abs(float((mask[1:] * mask[:-1]).mean()) * 4) < 4 / N**0.5
    assert abs(float((mask[:, 1:] * mask[:, :-1]).mean()) * 4) < 4 / N**0.5


def test_dropout_layers_are_replaced_and_numbered() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3))
    network = replace_dropout(nn.Sequential(nn.Dropout(0.1), inner, nn.Dropout(0.2)))
    layers = [m for m in network.modules() if isinstance(m, MemberDropout)]
    assert sorted(round(float(m.p), 3) for m in layers) == [0.1, 0.2, 0.3]
    assert sorted(m.place for m in layers) == [0, 1, 2]
    assert isinstance(replace_dropout(nn.Dropout(0.4)), MemberDropout)
