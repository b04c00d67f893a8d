"""Metrics: a commutative monoid, for which the whole is the merge of any parts (law 6)."""

from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import LawError
from artifact_fn.testing.purity import check_pure
from artifact_fn.training.batches import rows
from artifact_fn.training.metrics import Metric
from artifact_fn.training.preflight import check_metrics
from artifact_fn.training.statistics import merge


def check_metric(metric: Metric, outputs: Any, batch: Any, *, rtol: float = 1e-6) -> None:
    """Measure a batch whole and in unequal parts, in any order.

    Args:
        metric: To be checked.
        outputs: Of a model for the batch: a pytree of tensors [B, ...], B at least 3.
        batch: A pytree of tensors [B, ...].
        rtol: How far the answers may differ by rounding.

    Raises:
        LawError: the parts do not merge to the whole, or measuring is not pure.
        MetricError: the answer is no statistic of tensors.

    Example:
        >>> from artifact_fn.training import metrics
        >>> batch = {"y": torch.tensor([0, 1, 1, 0])}
        >>> check_metric(metrics.accuracy(), torch.eye(4)[:, :2], batch)
    """
    whole = check_pure(metric.measure, outputs, batch)
    check_metrics({metric.name: whole})
    every = rows(batch)

    def measured(start: int, stop: int) -> dict[str, Any]:
        def part(leaf: Tensor) -> Tensor:
            return leaf[start:stop]

        return {metric.name: metric.measure(tree.map(part, outputs), tree.map(part, batch))}

    for cut in sorted({1, every // 3, every - 1} - {0, every}):
        parts = [measured(0, cut), measured(cut, every)]
        for order in (parts, parts[::-1]):
            merged = merge(order)[metric.name].answer()
            if not torch.allclose(
                merged.double(), whole.answer().double(), rtol=rtol, atol=rtol, equal_nan=True
            ):
                raise LawError(
                    f"the metric {metric.name!r} of a whole is the merge of its parts",
                    got=f"{merged.tolist()} from parts of {cut} and {every - cut} rows, "
                    f"{whole.answer().tolist()} at once",
                    do="answer sums and weights (metrics.mean(values, weights)), not an average, "
                    "which counts a short batch as much as a long one",
                )
