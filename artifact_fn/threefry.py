"""Threefry: the counter-based generator that random numbers come from, in int32 lanes.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2,
3; SC 2011).
"""

from torch import Tensor

_PARITY = 0x1BD11BDA
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def signed(word: int) -> int:
    """The int32 with the low 32 bits of `word`."""
    word &= 0xFFFFFFFF
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
