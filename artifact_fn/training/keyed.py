"""Keyed: dropout whose masks are drawn from a key instead of the global generator.

torch's dropout modules draw from a generator that a pure step cannot own, and compiled ones draw
other masks than eager ones. Modules that are about to be called functionally have theirs
replaced by these, whose key is a buffer that every call sets.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from artifact_fn import random

Shape = Callable[[Sequence[int]], Sequence[int]]

# The constants of SELU (Klambauer et al., NeurIPS 2017): alpha dropout keeps its fixed point.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


class KeyedDropout(nn.Module):
    """Dropout of elements or of whole features, from a key.

    Buffers, to be set by the caller: `key` (int32 [2]) and `calls` (int32 []), which counts the
    calls of one forward pass, so that a module called twice draws twice.

    Args:
        p: The probability to drop.
        shape: Input shape to mask shape; the mask is broadcast to the input.
        alpha: Whether dropped elements become SELU's negative limit and the result is rescaled
            to the same mean and variance (alpha dropout), instead of 0 and 1 / (1 - p).
    """

    key: Tensor
    calls: Tensor

    def __init__(self, p: float, shape: Shape, *, alpha: bool) -> None:
        super().__init__()
        self.p = p
        self.shape = shape
        self.alpha = alpha
        self.register_buffer("key", torch.empty(2, dtype=torch.int32, device="meta"))
        self.register_buffer("calls", torch.empty((), dtype=torch.int32, device="meta"))

    def forward(self, input: Tensor) -> Tensor:
        """`input` of any shape; the result has the same."""
        if not self.training or self.p == 0.0:
            return input
        keep = random.bernoulli(self.key, 1.0 - self.p, self.shape(input.shape), block=self.calls)
        self.calls.add_(1)
        if self.alpha:
            return self._alpha(input, keep)
        if self.p == 1.0:
            return torch.zeros_like(input)
        return input * (keep.to(input.dtype) / (1.0 - self.p))

    def _alpha(self, input: Tensor, keep: Tensor) -> Tensor:
        if self.p == 1.0:
            return torch.zeros_like(input)
        limit = _SELU_ALPHA * _SELU_SCALE
        scale = 1.0 / math.sqrt((limit**2 * self.p + 1.0) * (1.0 - self.p))
        return torch.where(keep, input, -limit) * scale + limit * scale * self.p


def _elements(shape: Sequence[int]) -> Sequence[int]:
    return shape


def _features(spatial: int) -> Shape:
    """One mask value for each feature of each row: [B, C, ...], or [C, ...] without a batch.

    As in torch, Dropout2d takes three dimensions for [B, C, L].
    """

    def mask(shape: Sequence[int]) -> Sequence[int]:
        batched = len(shape) == spatial + 2 or (spatial == 2 and len(shape) == 3)
        return [*shape[: 2 if batched else 1], *[1] * (len(shape) - (2 if batched else 1))]

    return mask


def _rows_and_features(shape: Sequence[int]) -> Sequence[int]:
    return [*shape[:2], *[1] * (len(shape) - 2)]


_KEYED: dict[type[nn.Module], Callable[[float], KeyedDropout]] = {
    nn.Dropout: lambda p: KeyedDropout(p, _elements, alpha=False),
    nn.Dropout1d: lambda p: KeyedDropout(p, _features(1), alpha=False),
    nn.Dropout2d: lambda p: KeyedDropout(p, _features(2), alpha=False),
    nn.Dropout3d: lambda p: KeyedDropout(p, _features(3), alpha=False),
    nn.AlphaDropout: lambda p: KeyedDropout(p, _elements, alpha=True),
    nn.FeatureAlphaDropout: lambda p: KeyedDropout(p, _rows_and_features, alpha=True),
}


def keyed_dropout(module: nn.Module) -> nn.Module | None:
    """The keyed module for one of torch's dropout family; None for any other."""
    if type(module) not in _KEYED:
        return None
    probability = module.p
    assert isinstance(probability, float | int)
    return _KEYED[type(module)](float(probability))
