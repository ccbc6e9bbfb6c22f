"""Every row once an epoch, no row twice, padding without weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.trainables.builders import COUNTS, CPU, keys_of, member_rows
from trainables.data.batches import Batch, MemberRows


def epoch_of(size: int | str, epoch: int = 1) -> list[Batch]:
    """The batches of four members with different numbers of rows."""
    return list(member_rows().batches(size, keys_of(4), epoch, torch.float64))


def order(batches: list[Batch], m: int) -> list[int]:
    """Rows of a member as it sees them."""
    return torch.cat([b.rows[m][b.shares[m] > 0] for b in batches]).tolist()


@pytest.mark.parametrize("size", [1, 4, 8, 16, 24, 1000, "full"])
def test_every_row_once_and_shares_sum_to_one(size: int | str) -> None:
    batches, rows = epoch_of(size), member_rows()
    for m, count in enumerate(COUNTS):
        assert sorted(order(batches, m)) == sorted(rows.table[m, :count].tolist())
    for batch in batches:
        idle = set() if batch.idle is None else set(batch.idle.tolist())
        for m, shares in enumerate(batch.shares):
            used = shares[shares > 0]
            assert (len(used) == 0) == (m in idle)
            assert torch.allclose(used, torch.full_like(used, 1 / max(1, len(used))))
            assert (shares[: len(used)] > 0).all(), "padding stands behind the rows"


def test_sizes_of_batches() -> None:
    assert [b.rows.shape[1] for b in epoch_of(8)] == [8, 8, 8]
    assert [b.idle is None for b in epoch_of(8)] == [True, True, False]
    assert [b.rows.shape[1] for b in epoch_of("full")] == [24]
    assert [b.rows.shape[1] for b in epoch_of(100)] == [24]


def test_every_epoch_and_member_has_its_own_order() -> None:
    orders = [order(epoch_of(8, epoch), m) for epoch in (1, 2, 3) for m in (0, 2)]
    assert len({tuple(o) for o in orders}) == 6
    assert order(epoch_of(8, 2), 0) == order(epoch_of(8, 2), 0)
    assert order(epoch_of(8), 0) == order(epoch_of(4), 0), "the order does not depend on the batch size"


def test_order_is_uniform() -> None:
    rows = MemberRows([np.arange(5)] * 2000, CPU)
    (batch,) = rows.batches("full", keys_of(2000), 1, torch.float32)
    counts = torch.stack([(batch.rows == row).sum(0) for row in range(5)])
    assert ((counts - 400).abs() < 5 * (2000 * 0.2 * 0.8) ** 0.5).all()


def test_every_step_has_keys_of_its_own() -> None:
    keys = torch.cat([b.keys for epoch in (1, 2, 3) for b in epoch_of(4, epoch)])
    assert len(keys.unique()) == len(keys)


@pytest.mark.parametrize("size", [1, 7, 24, 1000])
def test_chunks_cover_all_rows_in_order(size: int) -> None:
    chunks = list(member_rows().chunks(size, torch.float64))
    rows, counted = (torch.cat(parts, dim=1) for parts in zip(*chunks, strict=True))
    for m, count in enumerate(COUNTS):
        assert torch.equal(rows[m][counted[m] == 1], member_rows().table[m, :count])
        assert float(counted[m].sum()) == count


def test_keep() -> None:
    rows = member_rows()
    rows.keep([2, 0])
    assert rows.counts.tolist() == [COUNTS[2], COUNTS[0]]


def test_padding_repeats_the_members_own_rows() -> None:
    rows = MemberRows([np.arange(10), np.array([7, 8, 9])], CPU)
    for batch in rows.batches(4, keys_of(2), 1, torch.float32):
        assert set(batch.rows[1].tolist()) <= {7, 8, 9}
    assert all(set(table[1].tolist()) <= {7, 8, 9} for table, _ in rows.chunks(4, torch.float32))
