"""Compiled: a step as one graph, by torch.compile; the only module that calls it.

A step is compiled once for each structure, shape and dtype of its arguments, as a flat function
of their leaves. Leaves that the step hands through unchanged (the key, frozen parameters, the
whole model when it is evaluated) are not outputs of the graph.
"""

import contextlib
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import CompileError
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.preflight import tried
from artifact_fn.training.statistics import Metrics

S = TypeVar("S")
T = TypeVar("T")

# The twenty rounds of Threefry are one long pointwise chain, which inductor would inline into
# every use: 30 to 100 s of code generation instead of 5, and no faster to run.
_OPTIONS: dict[str, Any] = {"realize_opcount_threshold": 8}
_CACHE = "TORCHINDUCTOR_CACHE_DIR"


@attrs.frozen(eq=False)
class Compiled(Generic[S]):
    """A step that is compiled when it is first called; itself a step.

    Attributes:
        step: The step as it was given; pure Python, for debugging and for `vmap`.
        cache: Where compiled kernels are kept between processes.
    """

    step: Step[S]
    cache: Path
    _programs: dict[Any, Callable[[list[Tensor]], Any]] = attrs.field(factory=dict, repr=False)

    def __call__(self, state: S, batch: Batch, /) -> tuple[S, Metrics]:
        """One step.

        Raises:
            CompileError: the step cannot be compiled.
            ArtifactFnError: the step breaks its contract (see `preflight.tried`).
        """
        leaves, spec = tree.flatten((state, batch))
        # None for what is not a tensor: preflight refuses it by name.
        kinds = tuple(
            (x.shape, x.dtype, x.device) if isinstance(x, Tensor) else None for x in leaves
        )
        signature = (spec, kinds)
        if signature not in self._programs:
            self._programs[signature] = _program(self.step, state, batch, self.cache)
        answer: tuple[S, Metrics] = self._programs[signature](leaves)
        return answer


def compiled(step: Step[S], *, cache: str | Path | None = None) -> Compiled[S]:
    """A step as one graph: forward, gradient, optimizer and metrics, without a graph break.

    Compiling takes seconds, once for each batch shape, at the first call with it; its kernels
    are kept on disk for the next process. The result differs from the eager step by rounding and
    is the same, bit for bit, in every process with as many threads.

    Args:
        step: A pure step. Numbers it closes over are frozen; what shall change belongs in the
            state, as a tensor.
        cache: Directory of compiled kernels. By default $TORCHINDUCTOR_CACHE_DIR, or
            `artifact_fn/` in the user's cache directory.

    Example:
        >>> step = compiled(lambda state, batch: (state, {}))
        >>> type(step).__name__
        'Compiled'
    """
    return Compiled(step, _default_cache() if cache is None else Path(cache))


def like(model: Step[Any], step: Step[S]) -> Step[S]:
    """`step` compiled, if and as `model` is; else `step` itself."""
    return Compiled(step, model.cache) if isinstance(model, Compiled) else step


def eager(step: Step[S]) -> Step[S]:
    """The step inside a compiled one; else the step itself."""
    return step.step if isinstance(step, Compiled) else step


def compilations() -> int:
    """Graphs compiled by this process so far, by torch's own count."""
    from torch._dynamo.utils import counters  # not at the top: it takes a second to import

    return int(counters["stats"]["unique_graphs"])


def _default_cache() -> Path:
    if _CACHE in os.environ:
        return Path(os.environ[_CACHE])
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "artifact_fn" / f"torch-{torch.__version__}"


def _program(
    step: Step[S], state: S, batch: Batch, cache: Path
) -> Callable[[list[Tensor]], tuple[S, Metrics]]:
    """A step compiled for arguments like these, from their leaves to its answer."""
    leaves, spec = tree.flatten((state, batch))
    # Each leaf by itself, even where a state holds one tensor twice: which of them an answer
    # hands through is told by identity.
    given = [leaf.view_as(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    answer, answer_spec = tree.flatten(tried(step, *tree.unflatten(given, spec)))
    where = {id(leaf): i for i, leaf in enumerate(given)}
    handed_through = {i: where[id(leaf)] for i, leaf in enumerate(answer) if id(leaf) in where}
    size = len(answer)
    made = tuple(i for i in range(size) if i not in handed_through)
    # Scalars go in as [1]: of a 0-d CPU tensor torch thinks that it may be a Python number, and
    # traces and compiles everything a second time when it finds that it is not.
    shapes = tuple(tuple(leaf.shape) for leaf in given)
    del answer, given, leaves  # a program outlives its first arguments, and must not keep them
    scalars = tuple(i for i, shape in enumerate(shapes) if shape == ())

    def flat(*leaves: Tensor) -> tuple[Tensor, ...]:
        shaped = [leaf.reshape(shape) for leaf, shape in zip(leaves, shapes, strict=True)]
        results = tree.leaves(step(*tree.unflatten(shaped, spec)))
        return tuple(results[i] for i in made)

    graph = torch.compile(_of_its_own(flat), fullgraph=True, dynamic=False, options=_OPTIONS)
    first = True

    def program(leaves: list[Tensor]) -> tuple[S, Metrics]:
        nonlocal first
        entering = [leaf.contiguous() for leaf in leaves]  # strides would be shapes of their own
        # Whether a caller records gradients must not decide which program runs.
        with torch.no_grad(), _compiling(cache) if first else contextlib.nullcontext():
            for i in scalars:
                entering[i] = entering[i].reshape(1)
            results = graph(*entering)
        first = False
        whole: list[Any] = [None] * size
        for i, result in zip(made, results, strict=True):
            whole[i] = result
        for i, source in handed_through.items():
            whole[i] = leaves[source]
        rebuilt: tuple[S, Metrics] = tree.unflatten(whole, answer_spec)
        return rebuilt

    return program


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
def _compiling(cache: Path) -> Iterator[None]:
    """Point inductor at a cache directory for a while, and say clearly what went wrong."""
    before = os.environ.get(_CACHE)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        os.environ[_CACHE] = str(cache)
        yield
    except Exception as cause:
        raise _explained(cause, cache) from cause
    finally:
        if before is None:
            os.environ.pop(_CACHE, None)
        else:
            os.environ[_CACHE] = before


def _explained(cause: Exception, cache: Path) -> CompileError:
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
