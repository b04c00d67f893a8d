"""Distribution: counts of numbers over fixed bins that suit every scale.

A bin is an eighth of an octave, by the leading bits of a float32: no range has to be guessed
before the numbers are seen, so the counts of any batches, layers and runs add. Magnitudes from
2**-20 to 2**12 are told apart; smaller ones count as the smallest, larger ones as the largest,
zero and NaN by themselves.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.statistics import Join

_LOW, _HIGH, _BITS = -20, 12, 3
_PARTS = 2**_BITS
_SIDE = (_HIGH - _LOW) * _PARTS + 1
"""Bins of one sign: below the lowest, and every part of every octave."""

_HALF = 256 * _PARTS
"""Leading bits of one sign."""

_NEGATIVE_ZERO = -(2**31)
_INFINITY = 255 * _PARTS
"""The leading bits of infinity; NaN has larger ones."""

BINS = 2 * _SIDE + 1
"""Negative numbers from the largest magnitude, zero, positive ones; one more counts NaN."""


@tree.node
class Counts:
    """Counts over the bins of `edges`.

    Attributes:
        counts: int64 [516]; the last one counts NaN.
    """

    joins: ClassVar[Mapping[str, Join]] = {"counts": "sum"}
    counts: Tensor

    def answer(self) -> Tensor:
        """int64 [515], without NaN."""
        return self.counts[:-1]


def counted(x: Tensor) -> Counts:
    """The counts of a tensor's elements.

    Example:
        >>> int(counted(torch.tensor([0.0, 1.0, -1.0])).answer().sum())
        3
    """
    bits = x.detach().reshape(-1).to(torch.float32).view(torch.int32)
    # Counted by sign, exponent and three bits of the mantissa, which costs little for each element;
    # these counts are then put together.
    leading = ((bits >> (23 - _BITS)) & (2 * _HALF - 1)).to(torch.int64)
    fine = torch.zeros(2 * _HALF, dtype=torch.int64, device=x.device)
    fine = fine.scatter_add(0, leading, torch.ones_like(leading))
    # The first of each sign counts zeros with numbers that are very small: they are moved.
    zeros = torch.stack([(bits == 0).sum(), (bits == _NEGATIVE_ZERO).sum()])
    counts = torch.zeros(BINS + 1, dtype=torch.int64, device=x.device)
    return Counts(counts.scatter_add(0, _places(x.device), torch.cat([fine, -zeros, zeros])))


def _places(device: torch.device) -> Tensor:
    """The bin of each sign and leading bits, of the first of each sign again, and of zero twice.

    int64 [4100].
    """
    each = torch.arange(2 * _HALF, device=device)
    leading, negative = each % _HALF, each >= _HALF
    part = (leading - (127 + _LOW) * _PARTS + 1).clamp(0, _SIDE - 1) + 1
    place = torch.where(negative, _SIDE - part, _SIDE + part)
    place = torch.where(leading > _INFINITY, BINS, place)
    return torch.cat([place, place[::_HALF], torch.full((2,), _SIDE, device=device)])


def edges() -> NDArray[np.float64]:
    """float64 [516], the borders of the bins; that of zero lies between two that are zero."""
    octaves = 2.0 ** np.arange(_LOW, _HIGH)
    parts = np.outer(octaves, 1 + np.arange(_PARTS) / _PARTS).reshape(-1)
    side = np.concatenate([[0.0], parts, [2.0**_HIGH]])
    return np.concatenate([-side[::-1], side])


def quantile(counts: NDArray[Any], q: float) -> float:
    """A quantile of what was counted, to a bin's width; NaN of nothing.

    Args:
        counts: [515], of `Counts.answer`.
        q: 0 to 1.

    Example:
        >>> counts = counted(torch.arange(1000.0)).answer().numpy()
        >>> 480 < quantile(counts, 0.5) < 520
        True
    """
    total = counts.sum()
    if total == 0:
        return float("nan")
    below = np.concatenate([[0.0], np.cumsum(counts)]) / total
    return float(np.interp(q, below, edges()))


def density(
    counts: NDArray[Any], low: float, high: float, bins: int = 100
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The density of what was counted over bins of equal width, its zeros left out.

    Args:
        counts: [515], of `Counts.answer`.
        low: Of the range.
        high: Of the range, above `low`.
        bins: Of equal width.

    Returns:
        Borders float64 [bins + 1], and density float64 [bins], whose integral over all numbers is
        the share of those that are not zero.
    """
    total = counts.sum()
    kept = counts.astype(np.float64).copy()
    kept[_SIDE] = 0.0
    below = np.concatenate([[0.0], np.cumsum(kept)])
    borders = np.linspace(low, high, bins + 1)
    found = np.interp(borders, edges(), below)
    return borders, np.diff(found) / np.diff(borders) / max(float(total), 1.0)


def share_of_zeros(counts: NDArray[Any]) -> float:
    """Which part of what was counted is exactly zero."""
    return float(counts[_SIDE] / counts.sum()) if counts.sum() else float("nan")
