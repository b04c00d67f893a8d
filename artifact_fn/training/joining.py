"""Joining: how the fields of statistics become one, leaf by leaf."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Join = Literal["sum", "min", "max"]
"""How the same field of two batches becomes one."""

JOINS: dict[Join, Callable[[Tensor], Tensor]] = {
    "sum": lambda stacked: stacked.sum(0),
    "min": lambda stacked: stacked.amin(0),
    "max": lambda stacked: stacked.amax(0),
}
_PAIRS: dict[Join, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": torch.add,
    "min": torch.minimum,
    "max": torch.maximum,
}


def joined(join: Join, a: Tensor, b: Tensor) -> Tensor:
    """Two leaves of the same statistic as one, in the dtype of `a`."""
    return _PAIRS[join](a, b.to(a.dtype))


def neutral(join: Join, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The leaf that changes nothing when one of this shape and dtype is joined to it."""
    if join == "sum":
        whole = not dtype.is_floating_point and not dtype.is_complex
        return torch.zeros(shape, dtype=torch.int64 if whole else dtype, device=device)
    if dtype == torch.bool:
        return torch.full(shape, join == "min", dtype=dtype, device=device)
    if dtype.is_floating_point:
        return torch.full(
            shape, math.inf if join == "min" else -math.inf, dtype=dtype, device=device
        )
    info = torch.iinfo(dtype)
    return torch.full(shape, info.max if join == "min" else info.min, dtype=dtype, device=device)
