"""Mesh: processes that train together, and what they tell each other.

Everything goes through torch's functional collectives: operations of tensors that can be traced,
and whose answer is the same, bit for bit, in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import torch
from torch import Tensor

from artifact_fn.errors import ParallelError
from artifact_fn.training.parallel import operations
from artifact_fn.training.statistics import Join

Way = Join | Literal["scatter"]
"""How tensors of several processes are joined."""


@attrs.frozen
class Mesh:
    """Processes with a rank each; plain values, so a step can close over one.

    `runs.distributed.processes` begins one; nothing here opens a connection.

    Attributes:
        rank: Of this process, from 0.
        size: How many there are.
        group: What torch calls them: `dist.group.WORLD.group_name`.

    Raises:
        ParallelError: the rank is not one of `size`.

    Example:
        >>> Mesh(rank=1, size=2).share(5)
        (3, 5)
    """

    rank: int
    size: int
    group: str = "0"

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise ParallelError(
                "the rank of a process is one of 0 to size - 1",
                got=f"rank={self.rank}, size={self.size}",
                do="take the mesh that runs.distributed.processes() gives",
            )

    def share(self, rows: int) -> tuple[int, int]:
        """This process's rows of so many, from one to before another; as even as can be."""
        least, more = divmod(rows, self.size)
        start = self.rank * least + min(self.rank, more)
        return start, start + least + (self.rank < more)


ALONE = Mesh(rank=0, size=1)
"""One process, which tells nobody anything."""


def reduced(mesh: Mesh, leaves: Sequence[Tensor], ways: Sequence[Way]) -> list[Tensor]:
    """Each tensor joined with the same tensor of every other process.

    What is joined alike and of one dtype goes as one vector, and all vectors are on their way
    before any is waited for: a message costs more than what is in a small one.

    Args:
        mesh: Who takes part; all of them call this with tensors of the same shapes.
        leaves: Of any shapes and dtypes; those of the way "scatter" are vectors, [size * n].
        ways: How each is joined. "scatter" is a sum of which each process gets its part, [n].
    """
    if mesh.size == 1 or not leaves:
        return list(leaves)
    wires = [_wire(leaf, way) for leaf, way in zip(leaves, ways, strict=True)]
    alike = [
        (way, wire.dtype, at if way == "scatter" else None)
        for at, (way, wire) in enumerate(zip(ways, wires, strict=True))
    ]
    kinds = list(dict.fromkeys(alike))
    members = [[i for i, one in enumerate(alike) if one == kind] for kind in kinds]
    vectors = [torch.cat([wires[i].reshape(-1) for i in group]) for group in members]
    order = ",".join(way for way, *_ in kinds)
    if len(vectors) == 1:
        answers = [operations.joined(vectors[0], order, mesh.size, mesh.group)]
    else:
        answers = operations.joined_each(vectors, order, mesh.size, mesh.group)
    found: list[Tensor] = list(leaves)
    for group, vector, (way, *_) in zip(members, answers, kinds, strict=True):
        if way == "scatter":
            like = leaves[group[0]]
            found[group[0]] = _unwired(vector, like[: len(like) // mesh.size])
            continue
        parts = torch.split(vector, [wires[i].numel() for i in group])
        for i, part in zip(group, parts, strict=True):
            found[i] = _unwired(part, leaves[i])
    return found


def gathered_part(mesh: Mesh, part: Tensor, *, after: Tensor) -> Tensor:
    """Everybody's parts one after the other: [n] to [size * n].

    Args:
        mesh: Who takes part.
        part: As long in every process.
        after: An answer that is there before this is sent. Messages must have one order in all
            processes, and a compiler keeps no other than that of what depends on each other.
    """
    if mesh.size == 1:
        return part
    found: Tensor = operations.gathered(part.contiguous(), after, mesh.size, mesh.group)
    return found


def gathered_and_summed(mesh: Mesh, part: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Everybody's parts as `gathered_part` has them, and the sum of everybody's number.

    Args:
        mesh: Who takes part.
        part: As long in every process; contiguous.
        number: Small: it is under way with the part, and costs no message more.
    """
    if mesh.size == 1:
        return part, number
    found: tuple[Tensor, Tensor] = operations.gathered_and_summed(
        part, number, mesh.size, mesh.group
    )
    return found


def summing(mesh: Mesh) -> Callable[[Tensor], Tensor]:
    """The sum of everybody's vector, as a function through which gradients flow.

    Made beforehand: a class cannot be defined where a step is traced.
    """
    group = mesh.group

    class Summed(torch.autograd.Function):
        @staticmethod
        def forward(vector: Tensor) -> Tensor:
            return _total(vector, group)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            return _total(grads[0].contiguous(), group)

    def summed(vector: Tensor) -> Tensor:
        found: Tensor = Summed.apply(vector)  # type: ignore[no-untyped-call]
        return found

    return summed


def _total(vector: Tensor, group: str) -> Tensor:
    # Inside a gradient the operation would be asked for its own, which it does not have.
    with torch.no_grad():
        found: Tensor = operations.joined(vector, "sum", 1, group)
    return found


def _wire(leaf: Tensor, way: Way) -> Tensor:
    """A leaf as it is sent: real, and of a dtype that every backend can join."""
    if leaf.is_complex():
        leaf = torch.view_as_real(leaf)
    if leaf.dtype in (torch.bool, torch.int8, torch.int16, torch.uint8):
        return leaf.to(torch.int64 if way in ("sum", "scatter") else torch.int32)
    return leaf


def _unwired(part: Tensor, leaf: Tensor) -> Tensor:
    if leaf.is_complex():
        return torch.view_as_complex(part.reshape(*leaf.shape, 2))
    return part.reshape(leaf.shape).to(leaf.dtype)
