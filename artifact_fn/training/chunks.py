"""Chunks: many steps in one call, by a loop.

Each turn of the loop gathers its batch from the table, takes the step and joins its metrics. What
turns hand on to each other is copied where the loop is inside a program, and overwritten where
Python calls a program for each turn: a small model is quicker by the first, a large one by the
second. How many turns are taken is told by a tensor, so that one program does for all chunks.

What the turns hand on to each other is packed into one vector for each dtype. A small model has
dozens of small tensors, and a turn that copies each of them by itself takes most of its time to
do so.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from artifact_fn import tree
from artifact_fn.training.contracts import Columns, Step
from artifact_fn.training.flat import SMALL, storage
from artifact_fn.training.program import loop, turns
from artifact_fn.training.statistics import Metrics, joined, joins, neutral
from artifact_fn.training.traced import entering, traced

Chunk = Callable[[Any, Columns, Tensor], tuple[Any, Metrics]]
"""(state, columns, rows int64 [steps, batch]) to (state, metrics)."""


COPIED = 50_000
"""Numbers that turns hand on, up to which the loop is inside the program.

A call from Python takes 5 us more than a turn of such a loop, which copies a million in 100 to 300.
"""


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
        CompileError: the step cannot be compiled.
        ArtifactFnError: the step breaks its contract.
    """
    first_batch = gathered(columns, rows[0])
    seen = traced(step, state, first_batch)
    stored = storage(step, state)
    once = seen if stored.step is step else traced(stored.step, stored.state, first_batch)
    told, told_spec = tree.flatten(seen.told)
    build_state, build_told = tree.builder(tree.flatten(state)[1]), tree.builder(told_spec)
    stored_leaves = tree.leaves(stored.state)
    held = len(stored_leaves)
    # A leaf without numbers cannot change.
    changing = tuple(i for i in once.changing if stored_leaves[i].numel())
    staying = tuple(i for i in range(held) if i not in changing)
    ways = joins(seen.told)
    nothing = [
        neutral(way, leaf.shape, leaf.dtype, rows.device)
        for way, leaf in zip(ways, told, strict=True)
    ]
    pack, unpack = _packing([*(stored_leaves[i] for i in changing), *nothing])

    # Where the numbers of a leaf go is read off leaves that hold their own number.
    marks = [torch.full_like(x, i, dtype=torch.int64) for i, x in enumerate(tree.leaves(state))]
    count = len(marks)
    stored_marks = stored.enter(marks)
    carried = [
        _numbers(vector)
        for vector in pack(
            [
                *(stored_marks[i] for i in changing),
                *(torch.full_like(x, count + i, dtype=torch.int64) for i, x in enumerate(nothing)),
            ]
        )
    ]
    kept = [_numbers(stored_marks[i]) or [i] for i in staying]
    kept_shapes = [stored_leaves[i].shape for i in staying]
    like = [torch.empty_like(x, device="meta") for x in (*tree.leaves(state), *nothing)]
    parts_of = [[like[i] for i in group] for group in carried]

    def entered(leaves: list[Tensor], columns: Columns) -> tuple[list[Tensor], list[Tensor]]:
        """What turns hand on, and what all of them are given after the rows."""
        staying = [
            _joined(leaves, group).reshape(shape)
            for group, shape in zip(kept, kept_shapes, strict=True)
        ]
        table = [entering(column) for column in tree.leaves(columns)]
        return [_joined(leaves, group) for group in carried], [*staying, *table]

    carry, fixed = entered([*tree.leaves(state), *nothing], columns)
    handed, table_at = len(carry), 1 + len(staying)

    def turn(at: Tensor, *given: Tensor) -> Sequence[Tensor]:
        before, (index, *others) = unpack(given[:handed]), given[handed:]
        batch_rows = index.index_select(0, at.reshape(1)).reshape(-1)
        leaves = dict(zip(changing, before, strict=False))
        leaves |= dict(zip(staying, others, strict=False))
        batch = [column.index_select(0, batch_rows) for column in given[handed + table_at :]]
        answer = once([*(leaves[i] for i in range(held)), *batch])
        sums = [
            joined(way, so_far, leaf)
            for way, so_far, leaf in zip(ways, before[len(changing) :], answer[held:], strict=True)
        ]
        # In memory of their own: what is handed on may be neither one tensor twice nor a part of
        # what was given. It costs nothing where this very turn has made the tensor.
        return [leaf.clone() for leaf in pack([*(answer[once.order[i]] for i in changing), *sums])]

    most = len(rows)
    looped = loop if sum([leaf.numel() for leaf in carry]) <= COPIED else turns
    program = looped(turn, carry, [rows.contiguous(), *fixed], cache)

    def called(state: Any, columns: Columns, rows: Tensor) -> tuple[Any, Metrics]:
        leaves = [*tree.leaves(state), *nothing]
        carry, fixed = entered(leaves, columns)
        index = rows.contiguous()
        if len(rows) < most:
            index = rows.new_zeros(most, rows.shape[1])
            index[: len(rows)] = rows
        found = program(torch.tensor(len(rows)), *carry, index, *fixed)
        for group, parts, vector in zip(carried, parts_of, found, strict=True):
            cut = _unflatten_dense_tensors(vector, parts)  # type: ignore[no-untyped-call]
            for i, part in zip(group, cut, strict=True):
                # In memory of its own: what is kept must not keep more.
                leaves[i] = part.clone() if len(group) > 1 else part
        made = iter(leaves)
        return build_state(made), build_told(made)

    return called


def _numbers(marked: Tensor) -> list[int]:
    """The numbers of the leaves that a vector was joined from, in their order."""
    return [int(i) for i in torch.unique_consecutive(marked)]


def _joined(leaves: Sequence[Tensor], group: Sequence[int]) -> Tensor:
    if len(group) == 1:
        return leaves[group[0]].reshape(-1)
    joined: Tensor = _flatten_dense_tensors(  # type: ignore[no-untyped-call]
        [leaves[i] for i in group]
    )
    return joined


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
            cut = torch.split(vector, [sizes[i] for i in group])
            for i, part in zip(group, cut, strict=True):
                parts[i] = part.reshape(shapes[i])
        return parts

    return pack, unpack
