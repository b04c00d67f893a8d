"""Values: what a run knows, as JSON and tensors, without pickle.

Plain values, tuples, lists, dicts, tensors, arrays, frames and records (attrs classes,
dataclasses, named tuples, enumerations) become a JSON document in which tensors are named.
Reading it calls no constructor and imports nothing but this package: a record's class must
have been imported by whoever reads it.
"""

import enum
import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from artifact_fn.errors import DataError
from artifact_fn.runs.storage.frames import frame_of, parts_of
from artifact_fn.runs.storage.records import fields_of, find, known, rebuilt

_EXACT = 2**53  # beyond it, other readers of JSON round whole numbers


@attrs.frozen(eq=False)
class Encoded:
    """A value taken apart.

    Attributes:
        document: What JSON can hold.
        tensors: By the names the document gives them; a tensor that occurs twice is here once.
    """

    document: Any
    tensors: Mapping[str, Tensor]


def encode(value: Any, *, lenient: tuple[str, ...] = ()) -> Encoded:
    """A value as a document and tensors.

    Args:
        value: A pytree of tensors, arrays, plain values and records.
        lenient: Fields of records out of whose mappings entries are left out that cannot be
            saved (a figure among an epoch's artifacts).

    Raises:
        DataError: a leaf cannot be saved; names its path and type.

    Example:
        >>> encode((1, math.nan)).document
        {'tuple': [1, {'float': 'nan'}]}
    """
    writer = _Writer(lenient)
    return Encoded(writer.document(value, "it"), writer.tensors)


class _Writer:
    """What has been met so far of one value."""

    def __init__(self, lenient: tuple[str, ...]) -> None:
        self.lenient = lenient
        self.tensors: dict[str, Tensor] = {}
        self.names: dict[Any, str] = {}
        self.known: dict[int, tuple[Any, Any]] = {}

    def document(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if abs(value) <= _EXACT else {"int": str(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is bytes:
            return {"bytes": value.hex()}
        if kind is complex:
            return {"complex": self.document((value.real, value.imag), path)}
        if kind in (tuple, list):
            return {kind.__name__: [self.document(x, f"{path}[{i}]") for i, x in enumerate(value)]}
        if kind is dict:
            return {"dict": self.pairs(value, path)}
        return self.object(value, path)

    def pairs(self, value: Mapping[Any, Any], path: str) -> list[Any]:
        return [
            [self.document(k, f"a key of {path}"), self.document(v, f"{path}[{k!r}]")]
            for k, v in value.items()
        ]

    def object(self, value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            return self.tensor(value, path)
        if isinstance(value, np.ndarray | np.generic):
            return self.array(value, path)
        if isinstance(value, pd.DataFrame):
            return {"frame": self.document(parts_of(value, path), path)}
        name = f"{type(value).__module__}:{type(value).__qualname__}"
        if isinstance(value, enum.Enum):
            return {"enum": name, "name": value.name}
        if isinstance(value, tuple) or fields_of(type(value)) is not None:
            names = fields_of(type(value))
            if names is not None and find(name) is type(value):
                # A state is met thrice: as the last one, in the carry that selects, and selected.
                if id(value) not in self.known:
                    fields = [[field, self.field(value, field, path)] for field in names]
                    self.known[id(value)] = value, {"record": name, "fields": fields}
                return self.known[id(value)][1]
        raise DataError(
            f"{path} cannot be saved",
            got=f"a {type(value).__name__}",
            do="remember tensors, arrays, plain values and records of them (a tree.node or attrs "
            "class at the top of a module)",
        )

    def field(self, record: Any, name: str, path: str) -> Any:
        value, path = getattr(record, name), f"{path}.{name}"
        if name not in self.lenient or not isinstance(value, Mapping):
            return self.document(value, path)
        kept = {}
        for key, part in value.items():
            try:
                _Writer(()).document(part, path)
            except DataError:
                continue
            kept[key] = part
        return self.document(kept, path)

    def tensor(self, value: Tensor, path: str) -> Any:
        if value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise DataError(
                f"{path} cannot be saved",
                got=f"a {value.layout} tensor of {value.dtype} on {value.device}",
                do="keep dense tensors with values in what is remembered",
            )
        found: dict[str, Any] = {"tensor": self.named(value)}
        if value.device.type != "cpu":
            found["device"] = str(value.device)
        if value.dtype in _APART:
            found["dtype"] = str(value.dtype).removeprefix("torch.")
        return found

    def named(self, value: Tensor) -> str:
        plain = value.detach()
        # The same numbers in the same place: a state kept as the best and as the last is one.
        place = (plain.data_ptr(), plain.dtype, plain.shape, plain.stride(), str(plain.device))
        key = (*place, plain.is_conj(), plain.is_neg()) if plain.numel() else object()
        if key not in self.names:
            self.names[key] = f"t{len(self.tensors)}"
            self.tensors[self.names[key]] = plain
        return self.names[key]

    def array(self, value: Any, path: str) -> Any:
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.names is not None:
            raise DataError(
                f"{path} cannot be saved",
                got=f"an array of {array.dtype}",
                do="remember arrays of numbers, booleans or text",
            )
        found: dict[str, Any] = {
            "array": self.document(array.tobytes(), path)
            if array.size == 0 or array.dtype.kind not in "biufc" or array.dtype.itemsize > 8
            else self.named(_as_tensor(array)),
            "dtype": array.dtype.str,
            "shape": list(array.shape),
        }
        if isinstance(value, np.generic):
            found["scalar"] = True
        return found


_APART = {torch.complex64: torch.float32, torch.complex128: torch.float64}
"""Dtypes stored as pairs of another."""


def stored(value: Tensor) -> Tensor:
    """A tensor as it is put into a file: on the host, dense, of a dtype files know."""
    plain = value.resolve_conj().resolve_neg().cpu().contiguous()
    return torch.view_as_real(plain) if plain.dtype in _APART else plain


def _as_tensor(array: Any) -> Tensor:
    return torch.frombuffer(bytearray(array.tobytes()), dtype=torch.uint8)


def decode(document: Any, tensors: Mapping[str, Tensor], *, device: str | None = None) -> Any:
    """Undo `encode`.

    Args:
        document: As it was made.
        tensors: By name, on the host.
        device: Where tensors are put that were not on the CPU; by default where they were.

    Raises:
        DataError: the document names what there is not, or a class that was not imported.

    Example:
        >>> value = {"a": (1, math.inf), "b": torch.tensor([1.0])}
        >>> again = encode(value)
        >>> decode(again.document, again.tensors)
        {'a': (1, inf), 'b': tensor([1.])}
    """

    def value_of(found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        match found:
            case {"int": str(text)}:
                return int(text)
            case {"float": str(text)}:
                return float(text)
            case {"bytes": str(text)}:
                return bytes.fromhex(text)
            case {"complex": pair}:
                return complex(*value_of(pair))
            case {"tuple": list(parts)}:
                return tuple(value_of(part) for part in parts)
            case {"list": list(parts)}:
                return [value_of(part) for part in parts]
            case {"dict": list(pairs)}:
                return {value_of(key): value_of(part) for key, part in pairs}
            case {"frame": parts}:
                return frame_of(value_of(parts))
            case {"tensor": str(name)}:
                plain = tensors[name]
                plain = torch.view_as_complex(plain) if "dtype" in found else plain
                return plain.to(device or found["device"]) if "device" in found else plain
            case {"array": content, "dtype": str(dtype), "shape": list(shape)}:
                raw = tensors[content].numpy().tobytes() if isinstance(content, str) else None
                data = value_of(content) if raw is None else raw
                array = np.frombuffer(bytearray(data), dtype=np.dtype(dtype)).reshape(shape)
                return array[()] if "scalar" in found else array
            case {"enum": str(name), "name": str(member)}:
                return known(name)[member]
            case {"record": str(name), "fields": list(fields)}:
                return rebuilt(name, {field: value_of(part) for field, part in fields})
        raise DataError(
            "a saved value is of a kind that this version does not know",
            got=", ".join(map(repr, found)),
            do="read it with the version of artifact_fn that wrote it, or a later one",
        )

    return value_of(document)
