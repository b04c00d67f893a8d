"""Description: what an experiment is made of, as text by path, to tell whether it has changed.

Functions are described by their name, what they close over, and their code; users' own ones by the
plain values and functions of their module that they read, too; tensors by digest; modules by
their architecture. What says nothing of itself (an object of another library) is
described by its type alone. Where a cache lies or how a path is written is no difference.
"""

import dataclasses
import enum
import functools
import hashlib
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import attrs
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from artifact_fn import tree
from artifact_fn.training.template import Template

_LIBRARIES = {"artifact_fn", "torch", "numpy", "pandas", "attr", "attrs", "sklearn", "scipy"}
_PLAIN = bool | int | float | complex | str | bytes | None


def describe(value: Any) -> dict[str, str]:
    """What a value is made of: text by path.

    Args:
        value: An experiment, or any part of one.

    Example:
        >>> from artifact_fn.folds import at_most
        >>> found = describe(at_most(3))
        >>> [text for path, text in found.items() if path.endswith("<epochs>")]
        ['3']
    """
    walk = _Walk()
    return dict(walk.found(value, ""))


def field_of(path: str) -> str:
    """The field of an experiment that a path of its description is in.

    Example:
        >>> field_of("data[train].table"), field_of("until.fold.init")
        ('data', 'until')
    """
    return path.split(".")[0].split("[")[0]


def differences(
    before: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    """Where two descriptions differ: (before, now) by path.

    Example:
        >>> differences({"seed": "0"}, {"seed": "1"})
        {'seed': ('0', '1')}
    """
    return {
        path: (before.get(path), now.get(path))
        for path in [*before, *(path for path in now if path not in before)]
        if before.get(path) != now.get(path)
    }


class _Walk:
    """One pass over a value; what is met again is told by where it was met first."""

    def __init__(self) -> None:
        self.met: dict[int, str] = {}
        self.alive: list[Any] = []
        self.digests: dict[int, str] = {}

    def found(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, enum.Enum | _PLAIN):
            yield path, repr(value)
            return
        if id(value) in self.met:
            yield path, f"as {self.met[id(value)]}"
            return
        if not (isinstance(value, tuple | frozenset | dict | list) and not value):  # () is one
            self.met[id(value)] = path or "it"
            self.alive.append(value)
        yield from self.object(value, path)

    def object(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        match value:
            case Tensor():
                yield path, self.tensor(value)
            case np.ndarray() | np.generic():
                content = hashlib.sha256(np.ascontiguousarray(value).tobytes())
                yield path, f"{value.dtype} {list(value.shape)} {content.hexdigest()[:16]}"
            case pd.DataFrame() | pd.Series():
                content = hashlib.sha256(pd.util.hash_pandas_object(value).to_numpy().tobytes())
                yield path, f"{type(value).__name__} {list(value.shape)} {content.hexdigest()[:16]}"
            case nn.Module():
                yield from self.module(value, path)
            case Template():
                yield from self.module(value.training.module, path)
            case frozenset() | set():
                yield path, f"{{{', '.join(sorted(map(repr, value)))}}}"
            case torch.dtype() | torch.device():
                yield path, str(value)
            case PurePath():
                yield path, "a path"
            case types.FunctionType():
                yield from self.function(value, path)
            case types.MethodType():
                yield from self.found(value.__func__, path)
                yield from self.found(value.__self__, f"{path}.<self>")
            case functools.partial():
                yield path, "partial"
                for name in ("func", "args", "keywords"):
                    yield from self.found(getattr(value, name), f"{path}.{name}")
            case Mapping():
                yield path, f"{len(value)} by key"
                for key, part in value.items():
                    yield from self.found(part, f"{path}[{_key(key)}]")
            case tuple() | list():
                yield path, f"{len(value)} in order"
                for i, part in enumerate(value):
                    yield from self.found(part, f"{path}[{i}]")
            case type():
                yield path, f"{value.__module__}.{value.__qualname__}"
            case _:
                yield path, _kind(value)
                for name in _fields(type(value)):
                    if not path:  # a change of one field must not show in another
                        self.met = {id(value): "it"}
                    inner = name if not path else f"{path}.{name}"
                    yield from self.found(getattr(value, name), inner)

    def tensor(self, tensor: Tensor) -> str:
        if tensor.is_meta:
            return f"{tensor.dtype} {list(tensor.shape)}"
        if id(tensor) not in self.digests:  # data is met in many places, and may be large
            self.digests[id(tensor)] = tree.digest(tensor)[:16]
            self.alive.append(tensor)
        return f"{tensor.dtype} {list(tensor.shape)} {self.digests[id(tensor)]}"

    def module(self, module: nn.Module, path: str) -> Iterator[tuple[str, str]]:
        yield path, " ".join(str(module).split())
        held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        for name, tensor in held.items():
            if not tensor.is_meta:
                yield f"{path}[{name}]", self.tensor(tensor)

    def function(self, function: types.FunctionType, path: str) -> Iterator[tuple[str, str]]:
        code = function.__code__
        own = not _of_library(function.__module__)
        name = function.__qualname__.replace("<locals>.", "")
        # Of this package too: lambdas of one function share its name, and may differ in code.
        written = own or _top(function.__module__) == "artifact_fn"
        yield path, f"{name} {_code(code, function.__doc__)}" if written else name
        for i, default in enumerate(function.__defaults__ or ()):
            yield from self.found(default, f"{path}.<default {i}>")
        for key, default in (function.__kwdefaults__ or {}).items():
            yield from self.found(default, f"{path}.<default {key}>")
        for free, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            yield from self.found(_content(cell), f"{path}.<{free}>")
        for read in sorted(_names(code)) if own else ():
            value = function.__globals__.get(read)
            mine = isinstance(value, types.FunctionType) and not _of_library(value.__module__)
            if mine or (isinstance(value, _PLAIN) and read in function.__globals__):
                yield from self.found(value, f"{path}.{read}")


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("__main__.")


def _key(key: Any) -> str:
    return (
        str(key) if isinstance(key, str) else repr(key) if isinstance(key, _PLAIN) else _kind(key)
    )


def _fields(kind: type) -> list[str]:
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
    elif dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    else:
        names = []
    return [name for name in names if not name.startswith("_")]


def _of_library(module: str | None) -> bool:
    top = _top(module)
    return top in _LIBRARIES or (top in sys.stdlib_module_names and top != "__main__")


def _top(module: str | None) -> str:
    return (module or "").split(".")[0]


def _names(code: types.CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _code(code: types.CodeType, doc: str | None = None) -> str:
    """A digest of what a function does: not of where it is written, nor of what is said of it."""
    hashed = hashlib.sha256(code.co_code)
    hashed.update(repr((code.co_names, code.co_varnames, code.co_argcount)).encode())
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            hashed.update(_code(const).encode())
        elif isinstance(const, frozenset):
            hashed.update(repr(sorted(map(repr, const))).encode())
        elif const is not None and const != doc:  # None is there if there is no docstring
            hashed.update(repr(const).encode())
    return hashed.hexdigest()[:12]
