"""Chunks: many steps in one call, by torch's scan.

The loop of a chunk is inside the program: each turn gathers its batch from the table, takes the
step and joins its metrics. A chunk of fewer steps than it has turns skips the last ones, so that
one program does for all chunks.

What the turns hand on to each other is packed into one vector for each dtype. A small model has
dozens of small tensors, and a turn that copies each of them by itself takes most of its time to
do so.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import CompileError
from artifact_fn.training.contracts import Columns, Step
from artifact_fn.training.flat import storage
from artifact_fn.training.graph import graph
from artifact_fn.training.statistics import Metrics, answers, joined, joins, merge, neutral
from artifact_fn.training.traced import entering, traced

Chunk = Callable[[Any, Columns, Tensor], tuple[Any, Metrics]]
"""(state, columns, rows int64 [steps, batch]) to (state, metrics)."""


SMALL = 10_000
"""Numbers up to which a tensor is packed with others: below it a tensor costs more than its copy."""


def gathered(columns: Columns, rows: Tensor) -> Any:
    """A batch: some rows of a pytree of columns."""
    return tree.map(lambda column: column.index_select(0, rows), columns)


def chunk(step: Step[Any], state: Any, columns: Columns, rows: Tensor, cache: Path) -> Chunk:
    """A program of as many steps a call as `rows` has, or fewer.

    Args:
        step: Pure.
        state: Like the one it will be called with.
        columns: A pytree of tensors [N, ...]; batches are gathered from it.
        rows: int64 [steps, batch], like the ones it will be called with.
        cache: Where compiled kernels are kept.

    Raises:
        CompileError: the step cannot be compiled; at the first call.
        ArtifactFnError: the step breaks its contract.
    """
    first_batch = gathered(columns, rows[0])
    seen = traced(step, state, first_batch)
    stored = storage(step, state)
    once = seen if stored.step is step else traced(stored.step, stored.state, first_batch)
    told, told_spec = tree.flatten(seen.told)
    state_spec = tree.flatten(state)[1]
    stored_leaves = tree.leaves(stored.state)
    held, turns, changing = len(stored_leaves), len(rows), once.changing
    ways = joins(seen.told)
    device = rows.device
    kinds = [(way, leaf.shape, leaf.dtype) for way, leaf in zip(ways, told, strict=True)]
    nothing = [neutral(*kind, torch.device("meta")) for kind in kinds]
    pack, unpack = _packing([*(stored_leaves[i] for i in changing), *nothing])
    column_spec = tree.flatten(columns)[1]

    def flat(*given: Tensor) -> tuple[Tensor, ...]:
        *entered, index, active = given
        table = entered[len(entered) - column_spec.num_leaves :]
        leaves = stored.enter(
            [leaf.reshape(shape) for leaf, shape in zip(entered, stored.shapes, strict=False)]
        )

        def turn(carry: list[Tensor], at: tuple[Tensor, Tensor]) -> tuple[list[Tensor], Tensor]:
            batch_rows, on = at
            before = unpack(carry)
            current = list(leaves)
            for i, leaf in zip(changing, before, strict=False):
                current[i] = leaf
            answer = once([*current, *(column.index_select(0, batch_rows) for column in table)])
            sums = [
                joined(way, so_far, leaf)
                for way, so_far, leaf in zip(
                    ways, before[len(changing) :], answer[held:], strict=True
                )
            ]
            after = [*(answer[once.order[i]] for i in changing), *sums]
            # Leaf by leaf, where it is done while the leaf is made, and costs nothing.
            taken = [torch.where(on, new, old) for new, old in zip(after, before, strict=True)]
            return pack(taken), on.clone()

        # Made in here: a captured 0-d tensor would be taken for a Python number, and all of it
        # traced a second time when it turns out that it is not.
        first = [*(leaves[i] for i in changing), *(neutral(*kind, device) for kind in kinds)]
        last = unpack(_scan()(turn, pack(first), (index, active))[0])
        for i, leaf in zip(changing, last, strict=False):
            leaves[i] = leaf
        after = stored.leave(leaves)
        return tuple(
            leaf.clone() for leaf in (*(after[i] for i in seen.changing), *last[len(changing) :])
        )

    program = graph(flat, cache, rows.device)

    def called(state: Any, columns: Columns, rows: Tensor) -> tuple[Any, Metrics]:
        steps = len(rows)
        index = torch.zeros(turns, rows.shape[1], dtype=torch.int64, device=rows.device)
        index[:steps] = rows
        active = torch.arange(turns, device=rows.device).reshape(turns, 1) < steps
        leaves = tree.leaves(state)
        flat_leaves = [entering(leaf) for leaf in (*leaves, *tree.leaves(columns))]
        found = [_alone(leaf) for leaf in program(*flat_leaves, index, active)]
        for i, leaf in zip(seen.changing, found, strict=False):
            leaves[i] = leaf
        after = tree.unflatten(leaves, state_spec)
        metrics: Metrics = tree.unflatten(found[len(seen.changing) :], told_spec)
        return after, metrics

    return called


def _alone(leaf: Tensor) -> Tensor:
    """In memory of its own, which a compiler does not promise: what is kept must not keep more."""
    return leaf if leaf.untyped_storage().nbytes() == leaf.nbytes else leaf.clone()


def _scan() -> Any:
    # Not at the top: a prototype of torch, which may move.
    from torch._higher_order_ops.scan import scan

    return scan


def _packing(
    leaves: Sequence[Tensor],
) -> tuple[Callable[[Sequence[Tensor]], list[Tensor]], Callable[[Sequence[Tensor]], list[Tensor]]]:
    """How small tensors become one vector for each dtype, and come back; large ones stay."""
    small = [i for i, leaf in enumerate(leaves) if leaf.numel() <= SMALL]
    kinds = list(dict.fromkeys(leaves[i].dtype for i in small))
    groups = [[i for i in small if leaves[i].dtype == kind] for kind in kinds]
    groups += [[i] for i, leaf in enumerate(leaves) if leaf.numel() > SMALL]
    shapes = [tuple(leaf.shape) for leaf in leaves]
    sizes = [leaf.numel() for leaf in leaves]

    def pack(parts: Sequence[Tensor]) -> list[Tensor]:
        return [
            torch.cat([parts[i].reshape(-1) for i in group])
            if len(group) > 1
            else parts[group[0]].reshape(-1)
            for group in groups
        ]

    def unpack(packed: Sequence[Tensor]) -> list[Tensor]:
        parts: list[Tensor] = [packed[0]] * len(shapes)
        for group, vector in zip(groups, packed, strict=True):
            at = 0
            for i in group:
                parts[i] = vector[at : at + sizes[i]].reshape(shapes[i])
                at += sizes[i]
        return parts

    return pack, unpack


def checked(
    program: Chunk,
    step: Step[Any],
    state: Any,
    columns: Columns,
    rows: Tensor,
    *,
    instead: Step[Any],
) -> Chunk:
    """The program, if it does what single steps do on the first of these rows; else a loop.

    Two chunks of one step must be, bit for bit, one chunk of two; and the first of them must be
    the eager step, to rounding.

    Args:
        program: Of `chunk`.
        step: The eager step.
        state: To try them on.
        columns: To try them on.
        rows: int64 [steps, batch], to try them on.
        instead: What a loop would call.

    Warns:
        RuntimeWarning: it does not, or torch cannot compile it.
    """
    try:
        reason = _difference(program, step, state, columns, rows)
    except (CompileError, ImportError) as cause:
        reason = f"cannot be compiled ({cause})"
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
