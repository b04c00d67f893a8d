"""Threefry: the counter-based generator that random numbers come from, in int32 lanes.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2,
3; SC 2011).
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn.errors import KeyDataError

_PARITY = 0x1BD11BDA
_WORD = 0xFFFFFFFF
_FEW = 50_000
"""Draws up to which two passes of numpy's radix sort are faster than torch's sort."""
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def signed(word: int) -> int:
    """The int32 with the low 32 bits of `word`."""
    word &= _WORD
    return word - 2**32 if word >= 2**31 else word


def shift_right(x: Tensor, by: int) -> Tensor:
    """Logical shift of int32 lanes: torch's own shift copies the sign bit."""
    return (x >> by) & ((1 << (32 - by)) - 1)


def threefry(key: Tensor, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    """Encrypt counters under a key; `high` and `low` are int32 of one shape."""
    first, second = key[..., 0], key[..., 1]
    schedule = (first, second, first ^ second ^ _PARITY)
    high, low = high + first, low + second
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            high = high + low
            low = high ^ ((low << rotation) | shift_right(low, 32 - rotation))
        high = high + schedule[(block + 1) % 3]
        low = low + schedule[(block + 2) % 3] + (block + 1)
    return high, low


def two_words(key: Tensor, shape: Sequence[int], block: int | Tensor) -> tuple[Tensor, Tensor]:
    """Two words an element of `shape`: its counter's low word is its place, the high one `block`.

    Raises:
        KeyDataError: there are 2**31 elements or more.
    """
    count = math.prod(shape)
    if count >= 2**31:
        raise KeyDataError(
            "one key draws fewer than 2**31 numbers",
            got=f"shape {tuple(shape)}, {count} numbers",
            do="split the key and draw in parts",
        )
    low = torch.arange(count, dtype=torch.int32, device=key.device).reshape(tuple(shape))
    high = torch.zeros_like(low) + block
    return threefry(key, high, low)


def on_host(key: NDArray[np.uint32], low: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], ...]:
    """The same words by numpy, for counters whose high word is 0: a third of the time.

    For what is drawn between steps. Not traceable; `tests/test_random.py` holds the two together.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(_PARITY))
    high, low = np.full_like(low, key[0]), low + key[1]
    turned = np.empty_like(low)
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            high += low
            np.right_shift(low, np.uint32(32 - rotation), out=turned)
            low <<= np.uint32(rotation)
            low |= turned
            low ^= high
        high += schedule[(block + 1) % 3]
        low += schedule[(block + 2) % 3]
        low += np.uint32(block + 1)
    return high, low


def words(key: Tensor) -> NDArray[np.uint32]:
    """A key's two words on the host."""
    return key.detach().cpu().numpy().view(np.uint32)


def folded(key: Tensor, data: int) -> Tensor:
    """`random.fold_in`, on the host, a word at a time; of a key [2] or of keys [M, 2]."""
    if key.ndim > 1:
        return torch.stack([folded(one, data) for one in key])
    first, second = (int(word) for word in words(key))
    schedule = (first, second, first ^ second ^ _PARITY)
    high, low = first, (data + second) & _WORD
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            high = (high + low) & _WORD
            low = high ^ ((low << rotation) & _WORD | low >> (32 - rotation))
        high = (high + schedule[(block + 1) % 3]) & _WORD
        low = (low + schedule[(block + 2) % 3] + block + 1) & _WORD
    return torch.tensor([signed(high), signed(low)], dtype=torch.int32, device=key.device)


def permuted(key: Tensor, n: int) -> Tensor:
    """`random.permutation`, on the host: int64 [n]."""
    high, low = on_host(words(key), np.arange(n, dtype=np.uint32))
    if n <= _FEW:
        halves = (high ^ np.uint32(1 << 31)).view(np.uint16).reshape(n, 2)
        little = 0 if sys.byteorder == "little" else 1
        # numpy sorts 16-bit numbers by radix, in a fifth of the time that torch takes for 64 bits.
        order = np.argsort(halves[:, little], kind="stable")
        order = order[np.argsort(halves[order, 1 - little], kind="stable")]
        sorted_high = high[order]
        if not (sorted_high[1:] == sorted_high[:-1]).any():
            return torch.from_numpy(order)
    draws = (high.view(np.int32).astype(np.int64) << 32) | low
    return torch.argsort(torch.from_numpy(draws), stable=True)
