"""Chunk check: a chunk is held against single steps before anything is built on it."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import CompileError
from artifact_fn.training.chunks import Chunk, gathered
from artifact_fn.training.contracts import Columns, Step
from artifact_fn.training.statistics import Metrics, answers, merge


def checked(
    make: Callable[[], Chunk],
    step: Step[Any],
    state: Any,
    columns: Columns,
    rows: Tensor,
    *,
    instead: Step[Any],
) -> Chunk:
    """A program, if it does what single steps do on the first of these rows; else a loop.

    Two chunks of one step must be, bit for bit, one chunk of two; and the first of them must be
    the eager step, to rounding.

    Args:
        make: Makes the program, as `chunk` does.
        step: The eager step.
        state: To try them on.
        columns: To try them on.
        rows: int64 [steps, batch], to try them on.
        instead: What a loop would call.

    Warns:
        RuntimeWarning: it does not, or torch cannot compile it.
    """
    try:
        program = make()
        reason = _difference(program, step, state, columns, rows)
    except CompileError as cause:
        reason = f"cannot be compiled ({cause})"
    else:
        if reason is None:
            return program
    warnings.warn(
        f"steps are taken one at a time, because a chunk of them {reason}; training is right, "
        "and slower",
        RuntimeWarning,
        stacklevel=2,
    )
    return _loop(instead)


def _loop(step: Step[Any]) -> Chunk:
    def called(state: Any, columns: Columns, rows: Tensor) -> tuple[Any, Metrics]:
        parts = []
        for batch_rows in rows:
            state, metrics = step(state, gathered(columns, batch_rows))
            parts.append(metrics)
        return state, merge(parts)

    return called


def _difference(
    program: Chunk, step: Step[Any], state: Any, columns: Columns, rows: Tensor
) -> str | None:
    first, told = program(state, columns, rows[:1])
    if len(rows) > 1:
        second, _ = program(first, columns, rows[1:2])
        both, _ = program(state, columns, rows[:2])
        if not tree.identical(both, second):
            return f"of two is not two of one at {tree.first_difference(both, second)}"
    after, expected = step(state, gathered(columns, rows[0]))
    ours, theirs = answers(told)[0], answers(expected)[0]
    wrong = [
        name
        for name, value in theirs.items()
        if not (math.isnan(value) and math.isnan(ours[name]))
        and not math.isclose(ours[name], value, rel_tol=1e-3, abs_tol=1e-5)
    ]
    if wrong:
        return f"answers {ours[wrong[0]]} for {wrong[0]}, a single step {theirs[wrong[0]]}"
    apart = total = 0
    for path, leaf in tree.paths(after).items():
        if leaf.is_floating_point():
            close = torch.isclose(
                tree.paths(first)[path], leaf, rtol=1e-3, atol=1e-5, equal_nan=True
            )
            apart, total = apart + int((~close).sum()), total + leaf.numel()
    # An adaptive rule makes a whole step of what should be zero and is rounding, such as the
    # gradient of a bias before a BatchNorm; those are few.
    return f"moves {apart} of {total} numbers elsewhere" if 10 * apart > total else None
