"""Statistics: what a step tells of a batch, in a form that adds.

A step answers statistics, not floats: a mean is its weighted sum and its weight. Statistics
merge over the steps of an epoch in any grouping, so the mean over a short last batch is right by
construction; their answers leave the device once, at the epoch's end.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.joining import JOINS
from artifact_fn.training.joining import Join as Join
from artifact_fn.training.joining import joined as joined
from artifact_fn.training.joining import neutral as neutral
from artifact_fn.training.member_metrics import OfMembers


class Statistic(Protocol):
    """A `tree.node` record of tensors that can be merged.

    Attributes:
        joins: How each field is joined with the same field of another batch.

    Example:
        >>> statistic: Statistic = Sum(torch.tensor(2))
        >>> merge([{"rows": statistic}, {"rows": statistic}])["rows"].answer()
        tensor(4)
    """

    joins: ClassVar[Mapping[str, Join]]

    def answer(self) -> Tensor:
        """What the statistic says: a scalar [] becomes a score, anything else an array."""
        ...


Metrics = Mapping[str, Statistic]
"""Statistics by name."""


@tree.node
class Mean:
    """A weighted mean. `total` and `weight` are float64 []; the answer of no weight is NaN.

    Example:
        >>> Mean(total=torch.tensor(6.0), weight=torch.tensor(4.0)).answer()
        tensor(1.5000)
    """

    joins: ClassVar[Mapping[str, Join]] = {"total": "sum", "weight": "sum"}
    total: Tensor
    weight: Tensor

    def answer(self) -> Tensor:
        """float64 []."""
        return self.total / self.weight


@tree.node
class Sum:
    """A sum; `value` and the answer are of any shape and dtype.

    Example:
        >>> Sum(torch.tensor([2, 3])).answer()
        tensor([2, 3])
    """

    joins: ClassVar[Mapping[str, Join]] = {"value": "sum"}
    value: Tensor

    def answer(self) -> Tensor:
        """As `value`."""
        return self.value


@tree.node
class Minimum:
    """A smallest value, element by element.

    Example:
        >>> Minimum(torch.tensor(3.0)).answer()
        tensor(3.)
    """

    joins: ClassVar[Mapping[str, Join]] = {"value": "min"}
    value: Tensor

    def answer(self) -> Tensor:
        """As `value`."""
        return self.value


@tree.node
class Maximum:
    """A largest value, element by element.

    Example:
        >>> Maximum(torch.tensor(3.0)).answer()
        tensor(3.)
    """

    joins: ClassVar[Mapping[str, Join]] = {"value": "max"}
    value: Tensor

    def answer(self) -> Tensor:
        """As `value`."""
        return self.value


@tree.node
class Separation:
    """Histograms of a score over the two classes; answers the area under the ROC curve.

    Attributes:
        negatives: int64 [bins + 1], rows of the negative class by score; the last one counts NaN.
        positives: int64 [bins + 1], the same of the positive class.

    Example:
        >>> Separation(torch.tensor([3, 1, 0]), torch.tensor([1, 3, 0])).answer()
        tensor(0.7500, dtype=torch.float64)
    """

    joins: ClassVar[Mapping[str, Join]] = {"negatives": "sum", "positives": "sum"}
    negatives: Tensor
    positives: Tensor

    def answer(self) -> Tensor:
        """float64 []: pairs ordered rightly, a tie counting half; NaN with one class only."""
        negatives = self.negatives[:-1].to(torch.float64)
        positives = self.positives[:-1].to(torch.float64)
        below = negatives.cumsum(0) - negatives
        area = (positives * (below + negatives / 2)).sum() / (negatives.sum() * positives.sum())
        unknown = self.negatives[-1] + self.positives[-1] > 0
        return torch.where(unknown, torch.full_like(area, torch.nan), area)


def mean(values: Tensor, weight: Tensor | float | None = None) -> Mean:
    """The statistic of a mean.

    Args:
        values: One a row, [B, ...]; or [] with the weight it stands for.
        weight: Broadcast to `values`; 1 each by default.

    Example:
        >>> mean(torch.tensor([1.0, 3.0])).answer()
        tensor(2., dtype=torch.float64)
    """
    values = values.detach().to(torch.float64)
    weights = torch.ones_like(values) if weight is None else torch.ones_like(values) * weight
    return Mean((values * weights).sum(), weights.sum())


def of_one_step(value: Tensor) -> Statistic:
    """What one step tells: a floating value is a mean over steps, a whole one adds up."""
    # Cloned: a rate is a leaf of the state, and an answer shares no memory with its arguments.
    if not value.is_floating_point():
        return Sum(value.clone())
    value = value.detach().to(torch.float64).clone()
    return Mean(value, torch.ones_like(value))


def merge(parts: Sequence[Metrics]) -> Metrics:
    """The metrics of all batches together from those of each; the order does not matter.

    A statistic that only some batches tell of is merged over these.

    Example:
        >>> parts = [{"loss": mean(torch.tensor([1.0, 3.0]))}, {"loss": mean(torch.tensor([5.0]))}]
        >>> merge(parts)["loss"].answer()
        tensor(3., dtype=torch.float64)
    """
    if len(parts) == 1:
        return parts[0]
    tellers: dict[tuple[int, ...], list[str]] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        told = tuple(i for i, part in enumerate(parts) if name in part)
        tellers.setdefault(told, []).append(name)
    found: dict[str, Statistic] = {}
    for told, names in tellers.items():
        stacked = [{name: parts[i][name] for name in names} for i in told]
        if len(told) == 1:
            found |= stacked[0]
        else:
            found |= _joined(stacked)
    return found


def _joined(parts: Sequence[Metrics]) -> Metrics:
    """Metrics of the same names, all of whose parts tell of each."""
    spec = tree.flatten(parts[0])[1]
    columns = zip(*(tree.leaves(part) for part in parts), strict=True)
    ways = zip(joins(parts[0]), columns, strict=True)
    whole: Metrics = tree.unflatten([JOINS[way](torch.stack(leaves)) for way, leaves in ways], spec)
    return whole


def collapsed(stacked: Metrics) -> Metrics:
    """The metrics of all batches together from theirs, stacked in a first dimension."""
    return {name: _collapsed(statistic) for name, statistic in stacked.items()}


def _collapsed(stacked: Statistic) -> Statistic:
    if isinstance(stacked, OfMembers):
        return OfMembers(_collapsed(stacked.statistic), stacked.told.amax(0))
    fields = {field: JOINS[join](getattr(stacked, field)) for field, join in stacked.joins.items()}
    return tree.replace(stacked, **fields)


def joins(metrics: Metrics) -> list[Join]:
    """How each leaf of metrics is joined, in the order of `tree.leaves`."""
    return [join for statistic in metrics.values() for join in _joins(statistic)]


def _joins(statistic: Statistic) -> list[Join]:
    if isinstance(statistic, OfMembers):
        return [*_joins(statistic.statistic), "max"]
    return [
        statistic.joins[field] for field, part in vars(statistic).items() for _ in tree.leaves(part)
    ]


def _array(value: Tensor) -> NDArray[Any]:
    """An array on the host; numpy knows no bfloat16."""
    wide = value.float() if value.dtype == torch.bfloat16 else value
    return np.asarray(wide.detach().cpu().numpy())


def answers(metrics: Metrics) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """What metrics say, on the host: scores (scalars) and arrays (everything else) by name."""
    told: dict[str, Tensor] = {}
    for name, statistic in metrics.items():
        if isinstance(statistic, OfMembers):
            told |= statistic.told_as(name)
        else:
            told[name] = statistic.answer()
    scalars = {name: value for name, value in told.items() if value.ndim == 0}
    arrays = {name: _array(value) for name, value in told.items() if value.ndim > 0}
    if not scalars:
        return {}, arrays
    # One transfer for all of them.
    values = torch.stack([value.to(torch.float64) for value in scalars.values()]).tolist()
    return dict(zip(scalars, values, strict=True)), arrays
