"""Mesh: processes that train together, and what they tell each other.

Everything goes through torch's functional collectives: operations of tensors that can be traced,
and whose answer is the same, bit for bit, in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch
import torch.distributed._functional_collectives
from torch import Tensor

from artifact_fn.errors import ParallelError
from artifact_fn.training.statistics import Join


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


def reduced(mesh: Mesh, leaves: Sequence[Tensor], ways: Sequence[Join]) -> list[Tensor]:
    """Each tensor joined with the same tensor of every other process.

    What is joined alike and of one dtype goes as one vector, and all vectors are on their way
    before any is waited for: a message costs more than what is in a small one.

    Args:
        mesh: Who takes part; all of them call this with tensors of the same shapes.
        leaves: Of any shapes and dtypes.
        ways: How each is joined.
    """
    if mesh.size == 1:
        return list(leaves)
    wires = [_wire(leaf, way) for leaf, way in zip(leaves, ways, strict=True)]
    kinds = list(dict.fromkeys((way, w.dtype) for way, w in zip(ways, wires, strict=True)))
    members = [[i for i, way in enumerate(ways) if (way, wires[i].dtype) == kind] for kind in kinds]
    sent = [
        _ops().all_reduce(_flat([wires[i] for i in group]), way, mesh.group)
        for (way, _), group in zip(kinds, members, strict=True)
    ]
    found: list[Tensor] = list(leaves)
    for group, vector in zip(members, sent, strict=True):
        parts = torch.split(_ops().wait_tensor(vector), [wires[i].numel() for i in group])
        for i, part in zip(group, parts, strict=True):
            found[i] = _unwired(part, leaves[i])
    return found


def scattered_sum(mesh: Mesh, vector: Tensor) -> Tensor:
    """This process's part of the sum of everybody's vector: [size * n] to [n]."""
    if mesh.size == 1:
        return vector
    sent = _ops().reduce_scatter_tensor(vector, "sum", mesh.size, mesh.group)
    found: Tensor = _ops().wait_tensor(sent)
    return found


def gathered_parts(mesh: Mesh, parts: Sequence[Tensor]) -> list[Tensor]:
    """Everybody's parts one after the other, for each of several: [n] to [size * n]."""
    if mesh.size == 1:
        return list(parts)
    sent = [
        _ops().all_gather_into_tensor(part.contiguous(), mesh.size, mesh.group) for part in parts
    ]
    return [_ops().wait_tensor(one) for one in sent]


def summed(mesh: Mesh, vector: Tensor) -> Tensor:
    """The sum of everybody's vector, through which gradients flow."""
    if mesh.size == 1:
        return vector
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

    found: Tensor = Summed.apply(vector)  # type: ignore[no-untyped-call]
    return found


def _total(vector: Tensor, group: str) -> Tensor:
    # torch's own operation has a gradient that torch.func cannot take; it is not to be asked.
    with torch.no_grad():
        found: Tensor = _ops().wait_tensor(_ops().all_reduce(vector, "sum", group))
    return found


def _ops() -> Any:
    return torch.ops._c10d_functional


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])


def _wire(leaf: Tensor, way: Join) -> Tensor:
    """A leaf as it is sent: real, and of a dtype that every backend can join."""
    if leaf.is_complex():
        leaf = torch.view_as_real(leaf)
    if leaf.dtype in (torch.bool, torch.int8, torch.int16, torch.uint8):
        return leaf.to(torch.int64 if way == "sum" else torch.int32)
    return leaf


def _unwired(part: Tensor, leaf: Tensor) -> Tensor:
    if leaf.is_complex():
        return torch.view_as_complex(part.reshape(*leaf.shape, 2))
    return part.reshape(leaf.shape).to(leaf.dtype)
