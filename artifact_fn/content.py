"""Content: the structure and the leaves of a tree, as text and bytes that can be compared."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from artifact_fn.errors import TreeError


def outline(spec: Any) -> str:
    """A structure of torch's pytrees as text, whatever the order in which its dicts were filled."""
    if spec.is_leaf():
        return "*"
    parts = [outline(child) for child in spec.children()]
    if spec.type is dict:
        parts = sorted(f"{key!r}: {part}" for key, part in zip(spec.context, parts, strict=True))
    return f"{spec.type.__module__}.{spec.type.__qualname__}({', '.join(parts)})"


def content(leaf: Any) -> tuple[bytes, bytes]:
    r"""A leaf as (kind, content): of a tensor its dtype and shape, and its bytes.

    Raises:
        TreeError: it is neither a dense tensor with values nor a plain value.

    Example:
        >>> content(torch.ones(1, dtype=torch.int16))
        (b'torch.int16 (1,)', b'\x01\x00')
    """
    if isinstance(leaf, Tensor) and leaf.layout == torch.strided and not leaf.is_meta:
        flat = leaf.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
        if flat.numel() == 1:  # torch takes one number for contiguous, whatever its stride
            flat = flat.clone(memory_format=torch.contiguous_format)
        kind = f"{leaf.dtype} {tuple(leaf.shape)}"
        return kind.encode(), flat.view(torch.uint8).numpy().tobytes()
    if leaf is None or isinstance(leaf, (str, int, float, bool, bytes)):
        return type(leaf).__name__.encode(), repr(leaf).encode()
    raise TreeError(
        "a tree can be compared and hashed only if its leaves are tensors or plain values",
        got=f"a leaf of type {type(leaf).__name__}"
        + (f" with {leaf.layout} on {leaf.device}" if isinstance(leaf, Tensor) else ""),
        do="keep dense tensors with values, str, int, float, bool, bytes and None in it",
    )


def sha256(first: bytes, parts: Iterable[bytes]) -> str:
    """64 hex digits over `first` and the parts, each with its length, so that none runs over."""
    hashed = hashlib.sha256(first)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()
