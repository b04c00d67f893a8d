"""Random: keys as values, and numbers as pure functions of them.

Threefry-2x32 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011)
with 20 rounds, in int32 tensor operations. `key`, `fold_in`, `split`, `bits` and `uniform` give the
bits of `jax.random` (with `jax_threefry_partitionable`, its default). A key is an int32 tensor
of shape [2]: the bits of two uint32. Nothing here reads or moves a global generator, so eager,
compiled, vmapped and resumed programs draw the same numbers.

Drawing twice from one key gives the same numbers twice: derive a new key for each use.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from artifact_fn.errors import KeyDataError
from artifact_fn.threefry import shift_right, signed, threefry, two_words

_DIGITS = {torch.float16: 10, torch.bfloat16: 7}


def key(seed: int) -> Tensor:
    """The key of a seed.

    Args:
        seed: 0 <= seed < 2**64.

    Returns:
        int32 [2].

    Raises:
        KeyDataError: the seed is not an int in that range.

    Example:
        >>> key(7)
        tensor([0, 7], dtype=torch.int32)
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise KeyDataError(
            "a seed is an integer from 0 to 2**64 - 1",
            got=repr(seed),
            do="pass such an int, e.g. seed=0",
        )
    return torch.tensor([signed(seed >> 32), signed(seed)], dtype=torch.int32)


def fold_in(key: Tensor, data: int | Tensor) -> Tensor:
    """A new key from a key and a number: the way to count with keys.

    Args:
        key: int32 [2].
        data: An int, or an integer tensor []; its low 32 bits count.

    Returns:
        int32 [2].

    Raises:
        KeyDataError: `data` is no whole number.

    Example:
        >>> fold_in(key(0), 1)
        tensor([ 928981903, -841280227], dtype=torch.int32)
    """
    if isinstance(data, int):
        low = torch.full((), signed(data), dtype=torch.int32, device=key.device)
    else:
        if data.is_floating_point() or data.is_complex():
            raise KeyDataError(
                "a key is counted with whole numbers", got=f"{data.dtype}", do="fold in integers"
            )
        low = data.to(torch.int32)
    return torch.stack(threefry(key, torch.zeros_like(low), low), dim=-1)


def split(key: Tensor, num: int = 2) -> Tensor:
    """`num` new keys; the i-th is `fold_in(key, i)`.

    Args:
        key: int32 [2].
        num: How many; the result is int32 [num, 2].

    Example:
        >>> split(key(0), 3).shape
        torch.Size([3, 2])
    """
    _not_negative(num)
    low = torch.arange(num, dtype=torch.int32, device=key.device)
    return torch.stack(threefry(key, torch.zeros_like(low), low), dim=-1)


def bits(key: Tensor, shape: Sequence[int], *, block: int | Tensor = 0) -> Tensor:
    """32 random bits an element.

    Args:
        key: int32 [2].
        shape: Of the result, fewer than 2**31 elements.
        block: Which of the key's 2**32 independent draws of this shape: the counter's high
            word, an int or an int32 tensor []. A cheaper way to several draws than new keys.

    Returns:
        int32 of `shape`, all bits uniform.

    Example:
        >>> bits(key(0), (2,))
        tensor([-224768089,  -91998574], dtype=torch.int32)
    """
    high, low = two_words(key, shape, block)
    return high ^ low


def uniform(
    key: Tensor,
    shape: Sequence[int] = (),
    *,
    dtype: torch.dtype = torch.float32,
    low: float = 0.0,
    high: float = 1.0,
    block: int | Tensor = 0,
) -> Tensor:
    """Uniform numbers in [low, high).

    float32 lies on a grid of 2**-23 of the range (as in `jax.random.uniform`), float64 of
    2**-52, float16 of 2**-10 and bfloat16 of 2**-7.

    Args:
        key: int32 [2].
        shape: Of the result.
        dtype: A real floating dtype.
        low: Lower bound, included.
        high: Upper bound, excluded.
        block: As in `bits`.

    Raises:
        KeyDataError: `dtype` is not floating-point, or `low` is not below `high`.

    Example:
        >>> uniform(key(0), (2,))
        tensor([0.9477, 0.9786])
    """
    if not dtype.is_floating_point or not low < high:
        raise KeyDataError(
            "uniform numbers are floating-point, from a lower bound to a higher one",
            got=f"dtype={dtype}, low={low}, high={high}",
            do="give such a dtype, and low below high",
        )
    if dtype == torch.float64:
        first, second = two_words(key, shape, block)
        top = (first.to(torch.int64) & 0xFFFFFFFF) << 20
        unit = (top | shift_right(second, 12)).to(torch.float64) * 2.0**-52
    else:
        digits = _DIGITS.get(dtype, 23)
        grid = shift_right(bits(key, shape, block=block), 32 - digits)
        unit = (grid.to(torch.float32) * 2.0**-digits).to(dtype)
    if (low, high) == (0.0, 1.0):
        return unit
    largest = _below(high, 52 if dtype == torch.float64 else digits)
    return (unit * (high - low) + low).clamp(max=max(low, largest))


def _below(high: float, digits: int) -> float:
    """A number below `high` that a dtype of so many binary digits tells from it."""
    fraction, exponent = math.frexp(high)
    return math.ldexp(fraction, exponent) - math.ldexp(1.0, exponent - digits)


def normal(
    key: Tensor,
    shape: Sequence[int] = (),
    *,
    dtype: torch.dtype = torch.float32,
    block: int | Tensor = 0,
) -> Tensor:
    """Standard normal numbers, by the inverse of the distribution function.

    Args:
        key: int32 [2].
        shape: Of the result.
        dtype: float32 or float64 (narrower ones are drawn in float32 and cast).
        block: As in `bits`.

    Returns:
        `dtype` of `shape`. Eager and compiled differ by rounding, since `erfinv` does.

    Example:
        >>> normal(key(0), (3,)).shape
        torch.Size([3])
    """
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    # The open interval: erfinv(-1) is minus infinity.
    edge = 1.0 - torch.finfo(wide).eps / 2
    symmetric = uniform(key, shape, dtype=wide, low=-1.0, high=1.0, block=block).clamp(-edge, edge)
    return (math.sqrt(2.0) * torch.erfinv(symmetric)).to(dtype)


def bernoulli(
    key: Tensor,
    probability: float | Tensor,
    shape: Sequence[int] = (),
    *,
    block: int | Tensor = 0,
) -> Tensor:
    """True with a probability.

    Args:
        key: int32 [2].
        probability: In [0, 1], to 2**-23; a tensor must broadcast to `shape`.
        shape: Of the result.
        block: As in `bits`.

    Returns:
        bool of `shape`; the same bits in eager and compiled programs.

    Raises:
        KeyDataError: a number outside [0, 1] as the probability.

    Example:
        >>> bernoulli(key(0), 1.0, (2,))
        tensor([True, True])
    """
    if not isinstance(probability, Tensor) and not 0 <= probability <= 1:
        raise KeyDataError(
            "a probability lies in [0, 1]", got=repr(probability), do="give such a number"
        )
    return uniform(key, shape, block=block) < probability


def permutation(key: Tensor, n: int) -> Tensor:
    """The numbers 0 to n - 1 in a random order: the argsort of n 64-bit draws.

    Args:
        key: int32 [2].
        n: Below 2**31; the result is int64 [n].

    Example:
        >>> permutation(key(0), 5)
        tensor([4, 3, 2, 1, 0])
    """
    _not_negative(n)
    high, low = two_words(key, (n,), 0)
    draws = (high.to(torch.int64) << 32) | (low.to(torch.int64) & 0xFFFFFFFF)
    return torch.argsort(draws, stable=True)


def _not_negative(count: int) -> None:
    if count < 0:
        raise KeyDataError(
            "a key gives at least 0 numbers", got=str(count), do="give 0 or a positive count"
        )
