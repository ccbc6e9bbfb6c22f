"""A counter-based random number generator, vectorised over members.

Every number is a pure function of a 64-bit key and a counter, so what a member draws never depends on which other
members share its stack, in which order they stand, or where a run was interrupted. The mixing function and the
stream (key + i * gamma) are those of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014. Works on int64 tensors of any device, whose arithmetic wraps.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MUL_1 = _signed(0xBF58476D1CE4E5B9)
_MUL_2 = _signed(0x94D049BB133111EB)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch's shift of int64 copies the sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _MUL_1
    z = (z ^ _shift(z, 27)) * _MUL_2
    return z ^ _shift(z, 31)


def root_key(seed: int, *path: int) -> int:
    """The key of a place in a tree of streams, e.g. (seed, trial, fold), as a signed 64-bit integer."""
    key = _mix(torch.tensor(_signed(seed % (1 << 64))) + _GAMMA)
    for branch in path:
        key = fold_in(key, torch.tensor(branch))
    return int(key)


def fold_in(key: Tensor, branch: Tensor) -> Tensor:
    """Keys of the streams ``branch`` below ``key``; both int64, broadcast against each other."""
    # The factor tells the two apart: without it, trial 2 of seed 1 would be trial 1 of seed 2.
    return _mix(_mix(branch + _GAMMA) ^ (key * _MUL_1))


def random_bits(key: Tensor, count: int) -> Tensor:
    """Random int64 of shape (*key.shape, count), uniform over all 64-bit values."""
    steps = torch.arange(1, count + 1, device=key.device) * _GAMMA
    return _mix(key.unsqueeze(-1) + steps)


def uniform(bits: Tensor) -> Tensor:
    """Random int64 to float32 in [0, 1), multiples of 2^-24."""
    return _shift(bits, 40).to(torch.float32) * 2.0**-24
