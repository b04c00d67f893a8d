"""Graph: a function of tensors compiled by torch.compile; the only module that calls it.

A graph is compiled for the shapes and dtypes it is first called with, and its caller promises to
call it with no others; so it needs none of torch's guards.
"""

import contextlib
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from artifact_fn.errors import CompileError
from artifact_fn.training.library import CACHE, LOWERING, cache_at, cpu_options

T = TypeVar("T")
Graph = Callable[..., Sequence[Tensor]]

_PATIENCE = 3.0
"""Seconds of compiling after which a user is told what is going on."""


def graph(function: Callable[..., Sequence[Tensor]], cache: Path, device: torch.device) -> Graph:
    """A pure function of tensors, compiled at its first call.

    Scalars are to be given as [1]: of a 0-d CPU tensor torch thinks that it may be a Python
    number, and traces and compiles everything a second time when it finds that it is not.

    Args:
        function: Tensors to tensors.
        cache: Where compiled kernels are kept between processes.
        device: Where the tensors live.

    Raises:
        CompileError: it cannot be compiled; at the first call.
    """
    program = torch.compile(
        _of_its_own(function), fullgraph=True, dynamic=False, options=_options(device)
    )
    first = True

    def called(*leaves: Tensor) -> Sequence[Tensor]:
        nonlocal first
        # Whether a caller records gradients must not decide which program runs.
        with torch.no_grad():
            if not first:
                found: Sequence[Tensor] = program(*leaves)
            else:
                with _compiling(cache), patiently():
                    found = program(*leaves)
                first = False
            # The next replay of a CUDA graph overwrites what this one has answered.
            return [leaf.clone() for leaf in found] if device.type == "cuda" else found

    return called


def compilations() -> int:
    """Graphs compiled by this process so far, by torch's own count, to which ours are added."""
    from torch._dynamo.utils import counters  # not at the top: it takes a second to import

    return int(counters["stats"]["unique_graphs"])


def counted() -> None:
    """Add one to `compilations`."""
    from torch._dynamo.utils import counters

    counters["stats"]["unique_graphs"] += 1


def default_cache() -> Path:
    """$TORCHINDUCTOR_CACHE_DIR, or `artifact_fn/` in the user's cache directory."""
    if CACHE in os.environ:
        return Path(os.environ[CACHE])
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "artifact_fn" / f"torch-{torch.__version__}"


def _options(device: torch.device) -> dict[str, Any]:
    # A caller promises to give nothing else than what was compiled for.
    trusted = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe, **LOWERING}
    if device.type == "cuda":
        return {**trusted, "triton.cudagraphs": True}
    return {**trusted, **cpu_options()} if device.type == "cpu" else trusted


def _of_its_own(function: T) -> T:
    """The same function with a code object of its own.

    torch keeps compiled programs by code object and gives up after eight; closures made by one
    `def` share theirs, so the ninth step of a process would be refused.
    """
    assert isinstance(function, types.FunctionType)
    copy = types.FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    return copy  # type: ignore[return-value]


@contextlib.contextmanager
def patiently() -> Iterator[None]:
    """Say on stderr that a compile is what takes so long."""

    def tell() -> None:
        sys.stderr.write("artifact_fn: compiling a step; this is done once, and kept on disk\n")
        sys.stderr.flush()

    timer = threading.Timer(_PATIENCE, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _compiling(cache: Path) -> Iterator[None]:
    """Compile into a cache directory, and say clearly what went wrong."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with cache_at(cache):
            yield
    except Exception as cause:
        raise explained(cause, cache) from cause


def explained(cause: Exception, cache: Path) -> CompileError:
    """What went wrong when a step was compiled, and what to do."""
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    got = f"{type(cause).__name__}: {' '.join(str(cause).split(chr(10) * 2)[0].split())}"
    if "InvalidCxxCompiler" in str(cause):
        return CompileError(
            "compiling needs a C++ compiler",
            got="none that works",
            do="install g++ or clang, or set CXX; until then train with the step uncompiled",
        )
    if isinstance(cause, OSError):
        return CompileError(
            "compiled kernels could not be kept",
            got=got,
            do=f"make {cache} writable, or pass another directory: compiled(step, cache=...)",
        )
    if "Unsupported" in kinds or "UserError" in kinds:
        return CompileError(
            "the step is not one graph",
            got=str(cause).strip(),
            do="mend the line named above; the step runs uncompiled meanwhile",
        )
    return CompileError(
        "the step could not be compiled",
        got=got,
        do=f"delete {cache}, where a damaged file may lie, and try again; else train uncompiled",
    )
