"""Operations: what processes send each other, as operations of tensors that can be traced.

They are our own because torch's have gradients that torch.func cannot take, and arguments that its
C++ wrapper cannot pass; and because one that sends all vectors of a step has an order that no
compiler can change. One vector has an operation to itself: the C++ wrapper takes a list of one
tensor for the tensor.
"""

from collections.abc import Sequence

import torch
import torch.distributed._functional_collectives
from torch import Tensor


@torch.library.custom_op("artifact_fn::joined", mutates_args=())
def joined(vector: Tensor, way: str, size: int, group: str) -> Tensor:
    """One vector, joined with everybody's."""
    return _come(_sent(vector, way, size, group), way, size)


@joined.register_fake
def _(vector: Tensor, way: str, size: int, group: str) -> Tensor:
    return _shaped(vector, way, size)


@torch.library.custom_op("artifact_fn::joined_each", mutates_args=())
def joined_each(vectors: Sequence[Tensor], ways: str, size: int, group: str) -> list[Tensor]:
    """Several vectors, each in its way; all are on their way before one is waited for."""
    pairs = list(zip(vectors, ways.split(","), strict=True))
    sent = [(_sent(vector, way, size, group), way) for vector, way in pairs]
    return [_come(one, way, size) for one, way in sent]


@joined_each.register_fake
def _(vectors: Sequence[Tensor], ways: str, size: int, group: str) -> list[Tensor]:
    pairs = zip(vectors, ways.split(","), strict=True)
    return [_shaped(vector, way, size) for vector, way in pairs]


def _sent(vector: Tensor, way: str, size: int, group: str) -> Tensor:
    ops = torch.ops._c10d_functional
    if way != "scatter":
        found: Tensor = ops.all_reduce(vector, way, group)
    elif _on_gloo(vector):
        even = [vector.numel() // size] * size
        found = ops.all_to_all_single(vector, even, even, group)
    else:
        found = ops.reduce_scatter_tensor(vector, "sum", size, group)
    return found


def _come(sent: Tensor, way: str, size: int) -> Tensor:
    found: Tensor = torch.ops._c10d_functional.wait_tensor(sent)
    if way == "scatter" and _on_gloo(found):
        return found.reshape(size, -1).sum(0)
    return found


def _shaped(vector: Tensor, way: str, size: int) -> Tensor:
    return vector.new_empty(vector.numel() // size if way == "scatter" else vector.numel())


def _offered(part: Tensor, size: int, group: str) -> Tensor:
    ops = torch.ops._c10d_functional
    if _on_gloo(part):  # whose gathering goes round in a ring, with more to wait for on busy cores
        each = [part.numel()] * size
        found: Tensor = ops.all_to_all_single(part.repeat(size), each, each, group)
    else:
        found = ops.all_gather_into_tensor(part, size, group)
    return found


def _on_gloo(vector: Tensor) -> bool:
    """Whose reduce-scatter sums the whole vector in every process: twice the bytes."""
    return vector.device.type == "cpu"


@torch.library.custom_op("artifact_fn::gathered", mutates_args=())
def gathered(part: Tensor, after: Tensor, size: int, group: str) -> Tensor:
    """Everybody's parts, one after the other."""
    found: Tensor = torch.ops._c10d_functional.wait_tensor(_offered(part, size, group))
    return found


@gathered.register_fake
def _(part: Tensor, after: Tensor, size: int, group: str) -> Tensor:
    return part.new_empty(part.numel() * size)


@torch.library.custom_op("artifact_fn::gathered_and_summed", mutates_args=())
def gathered_and_summed(
    part: Tensor, number: Tensor, size: int, group: str
) -> tuple[Tensor, Tensor]:
    """Everybody's parts, and meanwhile the sum of a number."""
    ops = torch.ops._c10d_functional
    sent = ops.all_reduce(number, "sum", group)
    whole = _offered(part, size, group)
    return ops.wait_tensor(whole), ops.wait_tensor(sent)


@gathered_and_summed.register_fake
def _(part: Tensor, number: Tensor, size: int, group: str) -> tuple[Tensor, Tensor]:
    return part.new_empty(part.numel() * size), torch.empty_like(number)
