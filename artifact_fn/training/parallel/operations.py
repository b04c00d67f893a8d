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
def joined(vector: Tensor, way: str, group: str) -> Tensor:
    """One vector, joined with everybody's."""
    ops = torch.ops._c10d_functional
    found: Tensor = ops.wait_tensor(ops.all_reduce(vector, way, group))
    return found


@joined.register_fake
def _(vector: Tensor, way: str, group: str) -> Tensor:
    return torch.empty_like(vector)


@torch.library.custom_op("artifact_fn::joined_each", mutates_args=())
def joined_each(vectors: Sequence[Tensor], ways: str, group: str) -> list[Tensor]:
    """Several vectors, each in its way; all are on their way before one is waited for."""
    ops = torch.ops._c10d_functional
    sent = [
        ops.all_reduce(vector, way, group)
        for vector, way in zip(vectors, ways.split(","), strict=True)
    ]
    return [ops.wait_tensor(one) for one in sent]


@joined_each.register_fake
def _(vectors: Sequence[Tensor], ways: str, group: str) -> list[Tensor]:
    return [torch.empty_like(vector) for vector in vectors]


@torch.library.custom_op("artifact_fn::scattered", mutates_args=())
def scattered(vector: Tensor, after: Tensor, size: int, group: str) -> Tensor:
    """This process's part of the sum of everybody's vector."""
    ops = torch.ops._c10d_functional
    if vector.device.type == "cpu":
        # gloo sums the whole vector in every process, and throws most of it away: twice the bytes.
        even = [vector.numel() // size] * size
        parts: Tensor = ops.wait_tensor(ops.all_to_all_single(vector, even, even, group))
        return parts.reshape(size, -1).sum(0)
    found: Tensor = ops.wait_tensor(ops.reduce_scatter_tensor(vector, "sum", size, group))
    return found


@scattered.register_fake
def _(vector: Tensor, after: Tensor, size: int, group: str) -> Tensor:
    return vector.new_empty(vector.numel() // size)


@torch.library.custom_op("artifact_fn::gathered", mutates_args=())
def gathered(part: Tensor, after: Tensor, size: int, group: str) -> Tensor:
    """Everybody's parts, one after the other."""
    ops = torch.ops._c10d_functional
    found: Tensor = ops.wait_tensor(ops.all_gather_into_tensor(part, size, group))
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
    whole = ops.all_gather_into_tensor(part, size, group)
    return ops.wait_tensor(whole), ops.wait_tensor(sent)


@gathered_and_summed.register_fake
def _(part: Tensor, number: Tensor, size: int, group: str) -> tuple[Tensor, Tensor]:
    return part.new_empty(part.numel() * size), torch.empty_like(number)
