"""Metrics: named measures of a model's outputs, each a statistic."""

from collections.abc import Callable, Mapping
from typing import Any, Generic

import attrs
import torch
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn.errors import MetricError
from artifact_fn.training.batches import column
from artifact_fn.training.statistics import (
    Maximum,
    Mean,
    Minimum,
    Separation,
    Statistic,
    Sum,
    mean,
)

# asinh(256 * 1e6): the largest margin that is told from larger ones.
_ASINH_TOP = 20.0535

__all__ = [
    "Maximum",
    "Mean",
    "Metric",
    "Minimum",
    "Separation",
    "Statistic",
    "Sum",
    "accuracy",
    "confusion",
    "mean",
    "metric",
    "roc_auc",
]


I_contra = TypeVar("I_contra", contravariant=True, default=Any)
O_contra = TypeVar("O_contra", contravariant=True, default=Any)
I = TypeVar("I", default=Any)  # noqa: E741
O = TypeVar("O", default=Any)  # noqa: E741


@attrs.frozen
class Metric(Generic[I_contra, O_contra]):
    """Something measured on every batch; generic in what it reads of the batch and the outputs.

    Attributes:
        name: Of its score, without the split.
        measure: (outputs, batch) to a statistic; pure and traceable.

    Example:
        >>> largest = Metric("largest", lambda outputs, batch: Maximum(outputs.amax()))
        >>> largest.measure(torch.tensor([1.0, 3.0]), {}).answer()
        tensor(3.)
    """

    name: str
    measure: Callable[[O_contra, I_contra], Statistic]


_COLUMN = "say which, to the metric itself: accuracy(targets='label')"


def metric(name: str, function: Callable[[O, I], Tensor | Statistic]) -> Metric[I, O]:
    """A metric from any function of outputs and batch.

    Args:
        name: Of its score, without the split.
        function: Answers one value a row [B], whose mean is taken; or a statistic.

    Raises:
        MetricError: when it is measured, the function answers a single number.

    Example:
        >>> error = metric("error", lambda outputs, batch: (outputs - batch["y"]).abs())
        >>> batch = {"y": torch.tensor([1.0, 1.0])}
        >>> error.measure(torch.tensor([1.0, 3.0]), batch).answer()
        tensor(1., dtype=torch.float64)
    """

    def measure(outputs: O, batch: I) -> Statistic:
        found = function(outputs, batch)
        if not isinstance(found, Tensor):
            return found
        if found.ndim == 0:
            raise MetricError(
                f"the metric {name!r} does not say how many rows its value stands for",
                got="a tensor of shape []",
                do="answer one value a row, or a statistic such as metrics.mean(value, rows)",
            )
        return mean(found)

    return Metric(name, measure)


def margin(outputs: Tensor) -> Tensor:
    """How far a binary classifier leans to class 1: [B, 2] logits, [B, 1] or [B] to [B]."""
    if outputs.ndim == 2 and outputs.shape[1] == 2:
        return outputs[:, 1] - outputs[:, 0]
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        return outputs[:, 0]
    if outputs.ndim == 1:
        return outputs
    raise MetricError(
        "a binary classifier answers logits [B, 2], [B, 1] or [B]",
        got=f"outputs of shape {list(outputs.shape)}",
        do="measure it with a metric of your own",
    )


def predicted(outputs: Tensor, targets: Tensor) -> Tensor:
    """Classes from logits: one a target, 0 or 1 by sign; [B, C, ...] by argmax."""
    if outputs.numel() == targets.numel() and not _one_hot(targets):
        return (outputs.reshape(targets.shape) > 0).to(torch.int64)
    if outputs.ndim == targets.ndim + 1:
        return outputs.argmax(dim=1)
    raise MetricError(
        "classes are compared with logits [B, C, ...], or with binary logits of their own shape",
        got=f"outputs {list(outputs.shape)}, targets {list(targets.shape)}",
        do="measure it with a metric of your own",
    )


def _one_hot(targets: Tensor) -> bool:
    return targets.is_floating_point() and targets.ndim > 1 and targets.shape[1] > 1


def accuracy(*, targets: str = "y", name: str = "accuracy") -> Metric:
    """The share of rows whose class is predicted rightly.

    Reads logits [B, C, ...] (or binary logits, one a row) and classes [B, ...].

    Args:
        targets: The column of classes.
        name: Of the score, without the split.

    Example:
        >>> logits = torch.tensor([[2.0, 1.0], [0.0, 1.0]])
        >>> accuracy().measure(logits, {"y": torch.tensor([0, 0])}).answer()
        tensor(0.5000, dtype=torch.float64)
    """

    def measure(outputs: Any, batch: Mapping[str, Any]) -> Statistic:
        truth = column(batch, targets, f"the metric {name!r}", _COLUMN)
        return mean(predicted(outputs, truth) == truth)

    return Metric(name, measure)


def confusion(classes: int, *, targets: str = "y", name: str = "confusion") -> Metric:
    """How often each class was taken for each: int64 [classes, classes], truth by prediction.

    An array, so it is found among an epoch's artifacts, not its scores.

    Args:
        classes: How many, at least 2.
        targets: The column of classes; what is none of them is left out.
        name: Of the artifact, without the split.

    Raises:
        MetricError: `classes` is below 2, or, when it is measured, not that of the outputs.

    Example:
        >>> logits = torch.tensor([[2.0, 1.0], [0.0, 1.0]])
        >>> confusion(2).measure(logits, {"y": torch.tensor([0, 0])}).answer()
        tensor([[1, 1],
                [0, 0]])
    """
    if classes < 2:
        raise MetricError("classes to confuse are at least 2", got=str(classes), do="give more")

    def measure(outputs: Any, batch: Mapping[str, Any]) -> Statistic:
        truth = column(batch, targets, f"the metric {name!r}", _COLUMN).to(torch.int64)
        among = 2 if outputs.numel() == truth.numel() else outputs.shape[1]
        if among != classes:
            raise MetricError(
                f"the metric {name!r} counts {classes} classes",
                got=f"outputs for {among}",
                do=f"make it confusion({among})",
            )
        # What is no class (a padded -100) goes to a cell of its own, which is left out.
        valid = (truth >= 0) & (truth < classes)
        cell = torch.where(valid, truth * classes + predicted(outputs, truth), classes * classes)
        counts = _counts(cell.reshape(-1), classes * classes + 1)[:-1]
        return Sum(counts.reshape(classes, classes))

    return Metric(name, measure)


def roc_auc(*, targets: str = "y", name: str = "roc_auc", bins: int = 8192) -> Metric:
    """The area under the ROC curve of a binary classifier, from histograms of its margin.

    The margin (difference of the logits) is binned on the scale of asinh(256 * margin): about
    0.5 % of a large margin, 2e-5 of a small one, up to a million. Rows of both classes in one bin
    count as ties, so the error is at most half the share of such pairs. A margin of NaN makes the
    answer NaN.

    Reads logits [B, 2], [B, 1] or [B], and targets [B], of which those above 0 are positive.

    Args:
        targets: The column of classes.
        name: Of the score, without the split.
        bins: Of the histogram, at least 2.

    Raises:
        MetricError: `bins` is below 2.

    Example:
        >>> logits = torch.tensor([-1.0, 0.5, 2.0])
        >>> roc_auc().measure(logits, {"y": torch.tensor([0, 0, 1])}).answer()
        tensor(1., dtype=torch.float64)
    """
    if bins < 2:
        raise MetricError("a histogram has at least 2 bins", got=str(bins), do="give more")

    def measure(outputs: Any, batch: Mapping[str, Any]) -> Statistic:
        truth = (column(batch, targets, f"the metric {name!r}", _COLUMN).reshape(-1) > 0).to(
            torch.int64
        )
        found = margin(outputs).to(torch.float32)
        scaled = (torch.asinh(256.0 * found) / (2 * _ASINH_TOP) + 0.5).clamp(0.0, 1.0) * bins
        known = torch.where(found.isnan(), 0.0, scaled).to(torch.int64).clamp(0, bins - 1)
        place = torch.where(found.isnan(), bins, known)
        counts = _counts(truth * (bins + 1) + place, 2 * (bins + 1)).reshape(2, bins + 1)
        return Separation(negatives=counts[0], positives=counts[1])

    return Metric(name, measure)


def _counts(indices: Tensor, size: int) -> Tensor:
    """int64 [size]: how often each index occurs. Unlike bincount, traceable and vmappable."""
    empty = torch.zeros(size, dtype=torch.int64, device=indices.device)
    return empty.scatter_add(0, indices, torch.ones_like(indices))
