"""Attention: multi-head attention whose dropout is drawn from a key."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import random


class KeyedAttention(nn.Module):
    """A `nn.MultiheadAttention` in training mode, with a keyed mask on its weights.

    The arithmetic of Vaswani et al., Attention is all you need (NeurIPS 2017), with the
    arguments and the answer of `nn.MultiheadAttention.forward`. Buffers, to be set by the
    caller: `key` (int32 [2]) and `calls` (int32 []), as in `KeyedDropout`.

    Args:
        inner: Holds the parameters and the options.
    """

    key: Tensor
    calls: Tensor

    def __init__(self, inner: nn.MultiheadAttention) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("key", torch.empty(2, dtype=torch.int32, device="meta"))
        self.register_buffer("calls", torch.empty((), dtype=torch.int32, device="meta"))

    def __getattr__(self, name: str) -> Any:
        """What the layers around an attention ask of it (`batch_first`, `num_heads`, ...)."""
        own = nn.Module.__getattr__
        return own(self, name) if name in ("inner", "key", "calls") else getattr(self.inner, name)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As `nn.MultiheadAttention`: [L, B, E], [B, L, E] with `batch_first`, or [L, E]."""
        inner, unbatched = self.inner, query.ndim == 2
        if unbatched:
            query, key, value = (x.unsqueeze(0) for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not inner.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = self._projected(query, key, value)
        length = k.shape[2]
        mask = _mask(attn_mask, key_padding_mask, q, length - self._appended())
        if mask is not None:
            mask = F.pad(mask, (0, self._appended()))
        scores = q @ k.transpose(-2, -1) / math.sqrt(inner.head_dim)
        weights = (scores if mask is None else scores + mask).softmax(dim=-1)
        keep = random.bernoulli(self.key, 1.0 - inner.dropout, weights.shape, block=self.calls)
        self.calls.add_(1)
        weights = weights * (keep.to(weights.dtype) / (1.0 - inner.dropout))
        joined = (weights @ v).transpose(1, 2).flatten(2)
        outputs = F.linear(joined, inner.out_proj.weight, inner.out_proj.bias)
        if unbatched:
            outputs, weights = outputs.squeeze(0), weights.squeeze(0)
        elif not inner.batch_first:
            outputs = outputs.transpose(0, 1)
        if not need_weights:
            return outputs, None
        return outputs, weights.mean(dim=-3) if average_attn_weights else weights

    def _appended(self) -> int:
        """Keys that are not in the sequence: a learnt bias, a zero."""
        return int(self.inner.bias_k is not None) + int(self.inner.add_zero_attn)

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Queries, keys and values by head: [B, heads, length, head_dim]."""
        inner = self.inner
        weights = (
            inner.in_proj_weight.chunk(3)
            if inner.in_proj_weight is not None
            else (inner.q_proj_weight, inner.k_proj_weight, inner.v_proj_weight)
        )
        biases = (None,) * 3 if inner.in_proj_bias is None else inner.in_proj_bias.chunk(3)
        inputs = (query, key, value)
        q, k, v = (F.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
        rows = q.shape[0]
        if inner.bias_k is not None and inner.bias_v is not None:
            k = torch.cat([k, inner.bias_k.expand(rows, 1, -1)], dim=1)
            v = torch.cat([v, inner.bias_v.expand(rows, 1, -1)], dim=1)
        if inner.add_zero_attn:
            k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))
        heads = inner.num_heads
        return [x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v)]


def _mask(
    attn_mask: Tensor | None, padding: Tensor | None, queries: Tensor, keys: int
) -> Tensor | None:
    """Both masks as one that is added to scores [B, heads, L, S]; True masks out."""
    rows, heads, length, _ = queries.shape
    found: Tensor | None = None
    if attn_mask is not None:
        found = _additive(attn_mask, queries.dtype)
        if found.ndim == 3:  # one for each row and head
            found = found.reshape(rows, heads, length, keys)
    if padding is not None:
        padded = _additive(padding, queries.dtype).reshape(rows, 1, 1, keys)
        found = padded if found is None else found + padded
    return found


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf)
    return mask.to(dtype)
