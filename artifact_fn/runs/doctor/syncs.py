"""Syncs: where a step waits for the device to know a number, and why that breaks its graph."""

import dis
import linecache
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from artifact_fn.runs.doctor.diagnosis import Finding

_OURS = ("torch", "artifact_fn")


class Syncs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every number that is asked of a tensor.

    Attributes:
        found: What is wrong with each, the same line once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: dict[str, Finding] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Note the operation and do it."""
        if func._schema.name == "aten::_local_scalar_dense":
            frame, line = _user()
            if frame is not None:
                place = f"{frame.f_code.co_filename}:{line}"
                code = linecache.getline(frame.f_code.co_filename, line).strip()
                self.found.setdefault(place, _finding(frame, f"`{code}` at {place}"))
        return func(*args, **(kwargs or {}))


def _user() -> tuple[FrameType | None, int]:
    """The innermost line that is the user's own."""
    for frame, line in traceback.walk_stack(None):
        if str(frame.f_globals.get("__name__", "")).split(".")[0] not in _OURS:
            return frame, line
    return None, 0


def _finding(frame: FrameType, got: str) -> Finding:
    if _branches(frame):
        return Finding(
            "branch on a tensor",
            "a step takes a Python branch on a tensor's value: a graph break and a host sync",
            got,
            "write torch.where(condition, a, b), so that one graph holds both ways",
        )
    return Finding(
        "host sync",
        "a step asks a tensor for its number: a host sync and a graph break",
        got,
        "keep it a tensor; a number that is only to be seen is a metric",
    )


def _branches(frame: FrameType) -> bool:
    """Whether the instruction at work is a condition's, which asks a tensor for its truth."""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti:
            name = instruction.opname
            return "JUMP" in name or name in ("UNARY_NOT", "TO_BOOL")
    return False
