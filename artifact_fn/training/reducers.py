"""Reducers: what is kept of a tensor, in a form that adds.

A reducer answers a statistic of fixed shape for a tensor of any, so that what is watched in a step
costs a few numbers a layer and not the layer's outputs.
"""

import math
from collections.abc import Callable, Mapping
from typing import ClassVar

import attrs
import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import MetricError
from artifact_fn.training.distribution import counted
from artifact_fn.training.statistics import Join, Maximum, Mean, Statistic


@attrs.frozen
class Reducer:
    """What is kept of a tensor.

    Attributes:
        name: Of the result, e.g. `std`.
        reduce: (tensor of any shape, key int32 [2]) to a statistic, each field of which is a
            tensor; pure and traceable.
        draws: Whether it reads the key, which is then another one for each module and step.

    Example:
        >>> top = Reducer("top", lambda x, key: Maximum(x.amax()))
        >>> top.reduce(torch.tensor([1.0, 3.0]), random.key(0)).answer()
        tensor(3.)
    """

    name: str
    reduce: Callable[[Tensor, Tensor], Statistic]
    draws: bool = False


@tree.node
class Deviation:
    """A standard deviation, from sums. All fields are float64 [].

    Example:
        >>> Deviation(torch.tensor(4.0), torch.tensor(10.0), torch.tensor(2.0)).answer()
        tensor(1.)
    """

    joins: ClassVar[Mapping[str, Join]] = {"total": "sum", "squares": "sum", "weight": "sum"}
    total: Tensor
    squares: Tensor
    weight: Tensor

    def answer(self) -> Tensor:
        """float64 [], of the population; NaN of nothing."""
        mean = self.total / self.weight
        return (self.squares / self.weight - mean.square()).clamp(min=0).sqrt()


@tree.node
class Silent:
    """How often each unit was active; answers the share of those that never were.

    Attributes:
        active: int64 [units].

    Example:
        >>> Silent(torch.tensor([3, 0])).answer()
        tensor(0.5000, dtype=torch.float64)
    """

    joins: ClassVar[Mapping[str, Join]] = {"active": "sum"}
    active: Tensor

    def answer(self) -> Tensor:
        """float64 []."""
        return (self.active == 0).to(torch.float64).mean()


@tree.node
class Sample:
    """Values drawn at random, each with the number it has drawn: the smallest one keeps its place.

    Attributes:
        drawn: int64 [size]; a 31-bit number above the 32 bits of a float32.

    Example:
        >>> Sample(torch.tensor([0x3F800000])).answer()
        tensor([1.])
    """

    joins: ClassVar[Mapping[str, Join]] = {"drawn": "min"}
    drawn: Tensor

    def answer(self) -> Tensor:
        """float32 [size]; NaN where there were fewer values than places."""
        values = (self.drawn & 0xFFFFFFFF).to(torch.int32).view(torch.float32)
        return torch.where(self.drawn == _NOTHING, torch.nan, values)


_NOTHING = torch.iinfo(torch.int64).max


def mean() -> Reducer:
    """The mean over all elements of an epoch.

    Example:
        >>> mean().reduce(torch.tensor([1.0, 3.0]), random.key(0)).answer()
        tensor(2., dtype=torch.float64)
    """
    return Reducer("mean", lambda x, key: Mean(_double(x.float().sum()), _count(x)))


def std() -> Reducer:
    """The standard deviation over all elements of an epoch.

    Example:
        >>> std().reduce(torch.tensor([1.0, 3.0]), random.key(0)).answer()
        tensor(1., dtype=torch.float64)
    """

    def reduce(x: Tensor, key: Tensor) -> Statistic:
        wide = x.float()
        return Deviation(_double(wide.sum()), _double(wide.square().sum()), _count(x))

    return Reducer("std", reduce)


def norm() -> Reducer:
    """The 2-norm of the tensor, as a mean over steps.

    Example:
        >>> norm().reduce(torch.tensor([3.0, 4.0]), random.key(0)).answer()
        tensor(5., dtype=torch.float64)
    """

    def reduce(x: Tensor, key: Tensor) -> Statistic:
        size = _double(x.float().square().sum()).sqrt()
        return Mean(size, torch.ones_like(size))

    return Reducer("norm", reduce)


def zeros() -> Reducer:
    """The share of elements that are exactly zero.

    Example:
        >>> zeros().reduce(torch.tensor([0.0, 4.0]), random.key(0)).answer()
        tensor(0.5000, dtype=torch.float64)
    """
    return Reducer("zeros", lambda x, key: Mean(_double((x == 0).sum()), _count(x)))


def largest() -> Reducer:
    """The largest magnitude of an epoch.

    Example:
        >>> largest().reduce(torch.tensor([1.0, -3.0]), random.key(0)).answer()
        tensor(3., dtype=torch.float64)
    """
    return Reducer("largest", lambda x, key: Maximum(_double(x.abs().amax())))


def histogram() -> Reducer:
    """How the elements are distributed: counts over fixed bins, whatever their scale.

    The answer is int64 [515]; `distribution` says what its bins are, and `density` how it is drawn.

    Example:
        >>> found = histogram().reduce(torch.tensor([0.0, 4.0, 0.0]), random.key(0)).answer()
        >>> found.shape, found.max()
        (torch.Size([515]), tensor(2))
    """
    return Reducer("histogram", lambda x, key: counted(x))


def sample(size: int = 256) -> Reducer:
    """Elements of an epoch drawn at random by the step's key, the same ones in every run.

    The elements of a tensor are dealt out to `size` places, each of which keeps one of those that
    it is dealt. They are kept as float32.

    Args:
        size: At least 1.

    Raises:
        MetricError: it is not.

    Example:
        >>> sample(2).reduce(torch.tensor([1.0, 3.0]), random.key(0)).answer()
        tensor([1., 3.])
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise MetricError("a sample has at least 1 place", got=repr(size), do="give a whole number")

    def reduce(x: Tensor, key: Tensor) -> Statistic:
        values = x.float().reshape(-1)
        priority = random.bits(key, (values.numel(),)).to(torch.int64) & 0x7FFFFFFF
        packed = (priority << 32) | (values.view(torch.int32).to(torch.int64) & 0xFFFFFFFF)
        rounds = max(1, -(-values.numel() // size))
        lacking = torch.full((rounds * size - values.numel(),), _NOTHING, device=x.device)
        return Sample(torch.cat([packed, lacking]).reshape(rounds, size).amin(0))

    return Reducer("sample", reduce, draws=True)


def silent(dim: int = 1, *, threshold: float = 0.0) -> Reducer:
    """The share of units whose magnitude was above a threshold for no row of an epoch.

    Args:
        dim: Of the units: 1 is the features of [B, D] and the channels of [B, C, H, W].
        threshold: 0 finds the dead units of a ReLU.

    Raises:
        MetricError: the threshold is negative.

    Example:
        >>> silent().reduce(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), random.key(0)).answer()
        tensor(0.5000, dtype=torch.float64)
    """
    if not threshold >= 0 or math.isinf(threshold):
        raise MetricError(
            "a threshold is a magnitude", got=f"{threshold!r}", do="give 0 or a little more"
        )

    def reduce(x: Tensor, key: Tensor) -> Statistic:
        if not -x.ndim <= dim < x.ndim:
            raise MetricError(
                f"the units are counted along dimension {dim}",
                got=f"outputs of shape {list(x.shape)}",
                do="give the dimension of the units: silent(dim)",
            )
        at = dim % x.ndim
        others = [i for i in range(x.ndim) if i != at]
        active = x.abs() > threshold
        return Silent(active.sum(others) if others else active.to(torch.int64))

    return Reducer("silent", reduce)


def _double(value: Tensor) -> Tensor:
    return value.to(torch.float64)


def _count(x: Tensor) -> Tensor:
    return torch.full((), float(x.numel()), dtype=torch.float64, device=x.device)
