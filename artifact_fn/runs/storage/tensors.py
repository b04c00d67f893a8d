"""Tensors: named tensors as the bytes of a safetensors file.

Written here, part by part and without a copy, so that hashing and writing them leave Python to
the training thread; read by the safetensors package, which trusts no header.
"""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from artifact_fn.errors import DataError
from artifact_fn.runs.storage.values import stored

_KINDS = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.uint64: "U64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.uint32: "U32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.uint16: "U16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}
"""Names of dtypes in the file, the widest first: so no tensor begins off its alignment."""

_TORCH_ONLY = {torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2}
_ORDER = {dtype: place for place, dtype in enumerate(_KINDS)}


def dumped(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, part by part.

    Args:
        tensors: Dense, of any device; complex ones are written as pairs.

    Raises:
        DataError: a dtype has no name in such files.

    Example:
        >>> data = b"".join(dumped({"w": torch.tensor([1.0, 2.0])}))
        >>> safetensors.torch.load(data)
        {'w': tensor([1., 2.])}
    """
    ready = {name: stored(tensor) for name, tensor in tensors.items()}
    for name, tensor in ready.items():
        if tensor.dtype not in _KINDS:
            raise DataError(
                f"the tensor {name} cannot be saved",
                got=f"{tensor.dtype}",
                do=f"use one of {', '.join(str(dtype) for dtype in _KINDS)}",
            )
    names = sorted(ready, key=lambda name: (_ORDER[ready[name].dtype], name))
    header, at = {}, 0
    for name in names:
        tensor = ready[name]
        header[name] = {
            "dtype": _KINDS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little")
    yield text
    for name in names:
        if ready[name].numel():
            yield _memory(ready[name])


def _memory(tensor: Tensor) -> memoryview:
    if tensor.dtype in _TORCH_ONLY:
        tensor = tensor.reshape(-1).view(torch.uint8)
    # By numpy as soon as possible: of a small tensor the calls are what takes time.
    return memoryview(tensor.numpy().reshape(-1).view(np.uint8).data)


def loaded(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the host.

    Raises:
        DataError: it is no such file.
    """
    try:
        found = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as cause:
        raise DataError(
            "these bytes are no safetensors file",
            got=f"{cause}",
            do="give one that `safetensors` can read",
        ) from cause
    # Copied to memory of their own, where torch aligns it.
    return {name: tensor.clone() for name, tensor in found.items()}
