"""Guards: watchers of single operations, for finding where a step is not pure.

They see what happens inside `torch.func.grad` too, which comparing arguments before and after
does not.
"""

import linecache
import random
import traceback
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

# Frames of these are not the user's; a traceback names the innermost one that is.
_OURS = ("torch", "artifact_fn")


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operations that draw from a generator, and writes into given tensors.

    Attributes:
        drawn: For each operation that drew, what and where.
        written: For each write into one of the given tensors, what and where.
    """

    def __init__(self, given: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.drawn: list[str] = []
        self.written: list[str] = []
        self._storages = {_storage(tensor) for tensor in given} - {0}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Note the operation and do it."""
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and _draws(func, args, kwargs):
            self.drawn.append(f"{func._schema.name} {_place()}")
        if func._schema.is_mutable and self._writes(func, args, kwargs):
            self.written.append(f"{func._schema.name} {_place()}")
        return func(*args, **kwargs)

    def _writes(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        for i, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            value = args[i] if i < len(args) else kwargs.get(argument.name)
            if isinstance(value, Tensor) and _storage(value) in self._storages:
                return True
        return False


def generators() -> dict[str, str]:
    """The states of the global generators, by the name of whose they are."""
    kind, words, *rest = np.random.get_state(legacy=True)
    return {
        "torch": repr(torch.get_rng_state().tolist()),
        "numpy": repr((kind, np.asarray(words).tolist(), rest)),
        "random": repr(random.getstate()),
    }


def user_line(trace: TracebackType | None) -> str:
    """The innermost line of a traceback that is the user's own, as `file:line: code`."""
    found = list(traceback.walk_tb(trace))
    own = [(frame, number) for frame, number in found if _of_user(frame)]
    frame, number = (own or found)[-1]
    file = frame.f_code.co_filename
    return f"{file}:{number}: {linecache.getline(file, number).strip()}"


def _draws(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operation that may draw does: attention without dropout bears the tag too."""
    for i, argument in enumerate(func._schema.arguments):
        if argument.name == "dropout_p":
            given = args[i] if i < len(args) else argument.default_value
            return bool(kwargs.get("dropout_p", given) != 0)
    return True


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _place() -> str:
    """The user's line that is running, and the module whose forward it is in."""
    module, line = "", ""
    for frame, number in traceback.walk_stack(None):
        held = frame.f_locals.get("self")
        if not module and frame.f_code.co_name == "forward" and isinstance(held, nn.Module):
            module = f"in {type(held).__name__}.forward "
        if _of_user(frame):
            line = f"at {frame.f_code.co_filename}:{number}"
            break
    return f"{module}{line}".strip()


def _of_user(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).split(".")[0] not in _OURS
