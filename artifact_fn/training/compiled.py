"""Compiled: a step as compiled programs, of one step a call or of many.

Called, it is a step like any other. `cuts` drives it by chunks, where that is faster: then many
steps are one call (see `chunks`), or a call overwrites the state of the one before it, which
nobody else holds.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Literal

import attrs
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn import tree
from artifact_fn.errors import CompileError
from artifact_fn.training.chunk_check import checked
from artifact_fn.training.chunks import Chunk, chunk
from artifact_fn.training.contracts import Columns, Step
from artifact_fn.training.graph import compilations, default_cache
from artifact_fn.training.places import check_step
from artifact_fn.training.program import program
from artifact_fn.training.statistics import Metrics
from artifact_fn.training.traced import entering, traced

__all__ = ["Compiled", "compilations", "compiled", "eager", "like", "singly"]

S = TypeVar("S")
B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True, default=Any)

STEPS = 128
"""Steps a call at most, where nobody says otherwise."""


@attrs.frozen(eq=False)
class Compiled(Generic[S, B_contra]):
    """A step that is compiled when it is first called; itself a step.

    Attributes:
        step: The step as it was given; pure Python, for debugging and for `vmap`.
        cache: Where compiled kernels are kept between processes.
        chunk: Steps a call at most, or `"auto"`.
        check: Whether the first chunk is compared with single steps.

    Example:
        >>> step = compiled(lambda state, batch: (state + batch, {}), chunk=16)
        >>> step.chunk, step.step(1, 2)
        (16, (3, {}))
    """

    step: Step[S, B_contra]
    cache: Path
    chunk: int | Literal["auto"] = "auto"
    check: bool = True
    _programs: dict[Any, Any] = attrs.field(factory=dict, repr=False)

    def __call__(self, state: S, batch: B_contra, /) -> tuple[S, Metrics]:
        """One step.

        Raises:
            CompileError: the step cannot be compiled.
            ArtifactFnError: the step breaks its contract (see `preflight.tried`).
        """
        signature = ("step", _signature((state, batch)))
        if signature not in self._programs:
            self._programs[signature] = _single(self.step, state, batch, self.cache, donated=False)
        answer: tuple[S, Metrics] = self._programs[signature](state, batch)
        return answer

    def steps_a_call(self, state: S) -> int:
        """How many steps one call takes at most, by the one rule there is.

        As `chunk` says; `"auto"` is 128. On any device but the CPU it is 1, whatever `chunk` says.
        """
        if not all(leaf.is_cpu for leaf in tree.leaves(state)):
            return 1
        return STEPS if self.chunk == "auto" else self.chunk

    def many(self, state: S, columns: Columns, rows: Tensor, turns: int) -> tuple[S, Metrics]:
        """A step for each row of `rows`, in one call.

        Args:
            state: Before them.
            columns: A pytree of tensors [N, ...].
            rows: int64 [steps, batch], the rows of each batch.
            turns: Steps of the program, at least as many; those beyond `steps` are skipped.
        """
        signature = ("many", turns, rows.shape[1], _signature((state, columns)))
        if signature not in self._programs:
            whole = rows[:1].expand(turns, -1)

            def make() -> Chunk:
                return chunk(self.step, state, columns, whole, self.cache)

            self._programs[signature] = (
                checked(make, self.step, state, columns, rows, instead=self)
                if self.check
                else make()
            )
        taken: Chunk = self._programs[signature]
        return taken(state, columns, rows)

    def owned(self, state: S, batch: B_contra) -> tuple[S, Metrics]:
        """One step that may overwrite the tensors of `state`, which nobody else holds."""
        if tree.leaves(state)[0].device.type == "cuda":
            # A CUDA graph cannot be replayed if it writes into what it is given.
            return self(state, batch)
        signature = ("owned", _signature((state, batch)))
        if signature not in self._programs:
            self._programs[signature] = _single(self.step, state, batch, self.cache, donated=True)
        answer: tuple[S, Metrics] = self._programs[signature](state, batch)
        return answer


def compiled(
    step: Step[S, B],
    *,
    cache: str | Path | None = None,
    chunk: int | Literal["auto"] = "auto",
    check: bool = True,
) -> Compiled[S, B]:
    """A step as one graph: forward, gradient, optimizer and metrics, without a graph break.

    Compiling takes seconds, once for each batch shape, at the first call with it; its kernels
    are kept on disk for the next process. The result differs from the eager step by rounding and
    is the same, bit for bit, in every process with as many threads.

    Args:
        step: A pure step. Numbers it closes over are frozen; what shall change belongs in the
            state, as a tensor.
        cache: Directory of compiled kernels. By default $TORCHINDUCTOR_CACHE_DIR, or
            `artifact_fn/` in the user's cache directory.
        chunk: How many steps one call takes at most when `epochs` drives it: a number, or
            `"auto"` for the rule of `Compiled.steps_a_call`. More than one needs a source that
            batches can be gathered from (`Gathered`, such as `Loader`).
        check: Whether the first chunk is compared with single steps, and given up with a warning
            where they differ.

    Raises:
        CompileError: `chunk` is below 1.
        ObjectiveError: `step` is no step, but a model, say, or an objective.

    Example:
        >>> step = compiled(lambda state, batch: (state, {}))
        >>> type(step).__name__
        'Compiled'
    """
    check_step(step)
    if chunk != "auto" and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise CompileError(
            "a call takes at least 1 step",
            got=f"chunk={chunk!r}",
            do="give a number of steps, or 'auto'",
        )
    return Compiled(step, default_cache() if cache is None else Path(cache), chunk, check)


def like(model: Step[Any], step: Step[S, B]) -> Step[S, B]:
    """`step` compiled, if and as `model` is; else `step` itself."""
    if not isinstance(model, Compiled):
        return step
    return Compiled(step, model.cache, model.chunk, model.check)


def singly(step: Step[S, B]) -> Step[S, B]:
    """The same step, of which a call takes one: a loop around a large program is slow to compile."""
    return Compiled(step.step, step.cache, 1, step.check) if isinstance(step, Compiled) else step


def eager(step: Step[S, B]) -> Step[S, B]:
    """The step inside a compiled one; else the step itself.

    Args:
        step: Compiled or not.

    Example:
        >>> def step(state, batch):
        ...     return state + batch, {}
        >>> eager(compiled(step)) is step, eager(step) is step
        (True, True)
    """
    return step.step if isinstance(step, Compiled) else step


def _signature(given: Any) -> Any:
    leaves, spec = tree.flatten(given)
    # None for what is not a tensor: preflight refuses it by name.
    return spec, tuple(
        [(x.shape, x.dtype, x.device) if isinstance(x, Tensor) else None for x in leaves]
    )


def _single(
    step: Step[S], state: S, batch: Any, cache: Path, *, donated: bool
) -> Callable[[S, Any], tuple[S, Metrics]]:
    """A step compiled for arguments like these.

    Args:
        step: Pure.
        state: Like the one it will be called with.
        batch: Like the ones it will be called with.
        cache: Where compiled kernels are kept.
        donated: Whether the new state is written into the tensors of the old one.
    """
    once = traced(step, state, batch)

    made = tuple(i for i, source in enumerate(once.source) if source is None)
    # Where a new leaf may be written: the old leaf whose place it takes.
    home = {once.order[i]: i for i in once.changing} if donated else {}
    returned = tuple(i for i in made if i not in home)

    def flat(*leaves: Tensor) -> tuple[Tensor, ...]:
        answer = once(leaves)
        for new, old in home.items():
            leaves[old].copy_(answer[new].reshape(leaves[old].shape))
        return tuple(answer[i] for i in returned)

    examples = [entering(leaf) for leaf in tree.leaves((state, batch))]
    compiled_flat = program(flat, examples, cache)

    build = tree.builder(once.answer)

    def called(state: S, batch: Any) -> tuple[S, Metrics]:
        given = tree.leaves((state, batch))
        found = compiled_flat(*(entering(leaf) for leaf in given))
        whole = [given[0] if source is None else given[source] for source in once.source]
        for i, leaf in zip(returned, found, strict=True):
            whole[i] = leaf
        for new, old in home.items():
            whole[new] = given[old]
        answer: tuple[S, Metrics] = build(iter(whole))
        return answer

    return called
