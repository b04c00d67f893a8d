"""Program: a function of tensors that is compiled when it is made, and kept on disk.

On a CPU it is recorded, and looked for among the libraries that earlier processes have left; if it
is not there it is compiled. On any other device, and where recording fails, `graph` has
torch.compile do it, which is slower to start and says more clearly what it cannot compile.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from artifact_fn.errors import ArtifactFnError, CompileError
from artifact_fn.training.graph import Graph, counted, explained, graph, patiently
from artifact_fn.training.library import build, kept, name
from artifact_fn.training.lowered import Function, Lowered, lowered, lowered_loop


def program(function: Function, examples: Sequence[Tensor], cache: Path) -> Graph:
    """A pure function of tensors, compiled for tensors like these.

    Args:
        function: Tensors to tensors; a `copy_` into one it is given is kept.
        examples: Like all it will be called with, in shape, dtype and strides.
        cache: Where compiled code is kept between processes.

    Raises:
        CompileError: it cannot be compiled.
    """
    device = examples[0].device if examples else torch.device("cpu")
    if device.type != "cpu" or not examples:
        return graph(function, cache, device)
    try:
        return _made(lambda: lowered(function, examples), cache)
    except ArtifactFnError:
        raise
    except Exception as cause:
        # torch.compile reads Python, and so can name the line.
        found = graph(function, cache, device)
        found(*(x.clone() for x in examples))  # compiled now; it may overwrite what it is given
        warnings.warn(
            f"a step starts slower than it need, because {_said(cause)}; it runs as fast",
            RuntimeWarning,
            stacklevel=2,
        )
        return found


def loop(turn: Function, carry: Sequence[Tensor], fixed: Sequence[Tensor], cache: Path) -> Graph:
    """A loop on the CPU, compiled: a function of (turns, *carry, *fixed) that answers the last carry.

    Args:
        turn: (which one, *carry, *fixed) to the next carry, none of it a tensor that was given.
            Turns are counted from 0, in int64 [].
        carry: Like what turns hand on to each other.
        fixed: Like what all turns are given.
        cache: Where compiled code is kept between processes.

    Raises:
        CompileError: it cannot be compiled.
    """
    try:
        return _made(lambda: lowered_loop(turn, carry, fixed), cache)
    except ArtifactFnError:
        raise
    except Exception as cause:
        raise explained(cause, cache) from cause


def turns(turn: Function, carry: Sequence[Tensor], fixed: Sequence[Tensor], cache: Path) -> Graph:
    """As `loop`, by a call of a program for each turn, which overwrites what turns hand on.

    What is given is left alone: the first turn is handed a copy.
    """
    held = len(carry)

    def once(at: Tensor, *given: Tensor) -> Sequence[Tensor]:
        for old, new in zip(given, turn(at.reshape(()), *given), strict=False):
            old.copy_(new)
        at.copy_(at + 1)
        return ()

    start = torch.zeros(1, dtype=torch.int64)
    found = program(once, [start, *carry, *fixed], cache)

    def called(turns: Tensor, *given: Tensor) -> Sequence[Tensor]:
        handed = [leaf.clone() for leaf in given[:held]]
        at = torch.zeros_like(start)
        for _ in range(int(turns)):
            found(at, *handed, *given[held:])
        return handed

    return called


def _made(record: Callable[[], Lowered], cache: Path) -> Graph:
    with patiently():
        seen = record()
        constants = list(seen.constants)
        try:
            cache.mkdir(parents=True, exist_ok=True)
            path = cache / "programs" / f"{name(seen)}.so"
            path.parent.mkdir(exist_ok=True)
            library = kept(path) or build(seen, path)
        except OSError as cause:
            raise explained(cause, cache) from cause
    counted()

    def called(*leaves: Tensor) -> Sequence[Tensor]:
        try:
            return library([*leaves, *constants])
        except RuntimeError as cause:
            if any(torch._C._functorch.is_functorch_wrapped_tensor(leaf) for leaf in leaves):
                raise CompileError(
                    "a compiled program has no vmap and no gradient",
                    got="tensors of torch.func, which stand for others",
                    do="transform the step and compile what comes of it: compiled(vmap(step))",
                ) from cause
            raise

    return called


def _said(cause: Exception) -> str:
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"
