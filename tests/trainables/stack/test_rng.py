"""The counter-based generator against SplitMix64 in plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from trainables.stack.rng import fold_in, random_bits, root_key

WORD = 2**64


def splitmix64(seed: int, count: int) -> list[int]:
    """The first numbers of SplitMix64 (Steele, Lea and Flood 2014) as unsigned integers."""
    numbers = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) % WORD
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % WORD
        numbers.append(z ^ (z >> 31))
    return numbers


def signed(value: int) -> int:
    """The same 64 bits as int64."""
    return value - WORD if value >= WORD // 2 else value


def test_the_published_first_number() -> None:
    assert splitmix64(1234567, 1) == [6457827717110365317]
    assert random_bits(torch.tensor(1234567), 1).item() == 6457827717110365317


def test_bits_are_splitmix64() -> None:
    for seed in (0, 1, 2**63 - 1, 2**63, WORD - 1):
        expected = [signed(v) for v in splitmix64(seed, 50)]
        assert random_bits(torch.tensor(signed(seed)), 50).tolist() == expected


def test_keys_are_two_rounds_of_it() -> None:
    def child(key: int, branch: int) -> int:
        place = splitmix64(branch, 1)[0] ^ (key * 0xBF58476D1CE4E5B9 % WORD)
        return splitmix64(place - 0x9E3779B97F4A7C15, 1)[0]

    root = splitmix64(5, 1)[0]
    assert root_key(5) == signed(root)
    assert root_key(5, 3, 8) == signed(child(child(root, 3), 8))


def test_bits_do_not_depend_on_neighbours() -> None:
    keys = torch.tensor([root_key(0, m) for m in range(6)])
    together = random_bits(keys, 100)
    for m in range(6):
        assert torch.equal(together[m], random_bits(keys[m], 100))
    assert torch.equal(together[:, :40], random_bits(keys, 40))


def test_bits_are_uniform() -> None:
    bits = random_bits(torch.tensor(root_key(0)), 100_000)
    for shift in (0, 20, 56):  # low, middle and high byte
        counts = np.bincount(((bits >> shift) & 255).numpy(), minlength=256)
        expected = len(bits) / 256
        assert 150 < ((counts - expected) ** 2 / expected).sum() < 400  # chi-square, 255 degrees of freedom


def test_streams_differ() -> None:
    paths = itertools.product(range(3), range(20), range(20))
    keys = torch.tensor([root_key(*path) for path in paths])
    assert len(keys.unique()) == len(keys)
    first = random_bits(keys, 8)
    assert len(first.unique()) == first.numel()
    assert torch.equal(fold_in(keys[:, None], torch.arange(3))[:, 2], fold_in(keys, torch.tensor(2)))


def test_seed_and_trial_do_not_change_places() -> None:
    assert root_key(1, 2) != root_key(2, 1)
    assert root_key(3, 3) != root_key(4, 4)
