"""Objectives: losses of parameters and a batch, with the metrics measured on the way."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import MetricError, ObjectiveError
from artifact_fn.training.contracts import Aux, Batch, Buffers, Model, Objective, Params
from artifact_fn.training.metrics import Metric, column
from artifact_fn.training.statistics import Metrics, mean

Evaluate = Callable[[Params, Buffers, Batch, Tensor, bool], tuple[Tensor, Any, Buffers]]
"""(params, buffers, batch, key, training) to (loss, outputs, buffers)."""

_TAKEN = ("loss", "lr", "grad_norm")


def objective(evaluate: Evaluate, metrics: Sequence[Metric] = ()) -> Objective:
    """An objective from a function that calls the model and reduces its outputs to a loss.

    The loss itself is measured under the name `loss`, weighted by the rows of the batch.

    Args:
        evaluate: (params, buffers, batch, key, training) -> (loss [], outputs, buffers); pure.
        metrics: Measured on the outputs, outside the gradient.

    Raises:
        MetricError: two metrics share a name, or one has a name that a step uses itself.
    """
    names = [metric.name for metric in metrics]
    for name in names:
        if name in _TAKEN or names.count(name) > 1:
            raise MetricError(
                f"two metrics would be called {name!r}",
                got=f"metrics {', '.join(names)}; a step itself makes {', '.join(_TAKEN)}",
                do="give each a name of its own",
            )

    def measured(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool
    ) -> tuple[Tensor, Aux]:
        loss, outputs, buffers = evaluate(params, buffers, batch, key, training)
        _scalar(loss)
        outputs = tree.map(_detached, outputs)
        found: Metrics = {
            "loss": mean(loss, rows(batch)),
            **{metric.name: _tensors(metric, outputs, batch) for metric in metrics},
        }
        return loss, Aux(outputs, found, buffers)

    return measured


def supervised(
    model: Model,
    loss: Callable[[Any, Any], Tensor],
    *,
    inputs: str | tuple[str, ...] = "x",
    targets: str = "y",
    metrics: Sequence[Metric] = (),
) -> Objective:
    """The loss between a model's outputs and a column of targets.

    Args:
        model: Called with the input columns.
        loss: (outputs, targets) to a scalar that is a mean over rows, e.g. `F.cross_entropy`.
        inputs: The column the model takes, or several as positional arguments.
        targets: The column of targets.
        metrics: Measured on the outputs. The ready-made ones read the targets `"y"` unless told
            otherwise.

    Example:
        >>> import torch.nn.functional as F
        >>> from artifact_fn import random
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> objective = supervised(model, F.cross_entropy)
        >>> batch = {"x": torch.zeros(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> value, aux = objective(*model.init(0), batch, random.key(0), False)
        >>> value.shape, list(aux.metrics)
        (torch.Size([]), ['loss'])
    """
    reader = "the objective"

    def evaluate(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool
    ) -> tuple[Tensor, Any, Buffers]:
        given = (
            column(batch, inputs, reader)
            if isinstance(inputs, str)
            else tuple(column(batch, name, reader) for name in inputs)
        )
        outputs, buffers = model.apply(params, buffers, given, key=key, training=training)
        return loss(outputs, column(batch, targets, reader)), outputs, buffers

    return objective(evaluate, metrics)


def rows(batch: Batch) -> int:
    """How many rows a batch has: the first dimension of its first tensor."""
    for leaf in tree.leaves(batch):
        if isinstance(leaf, Tensor) and leaf.ndim > 0:
            return int(leaf.shape[0])
    return 1


def _scalar(loss: Any) -> None:
    if isinstance(loss, Tensor) and loss.ndim == 0 and loss.is_floating_point():
        return
    described = (
        f"a tensor of shape {list(loss.shape)} and dtype {loss.dtype}"
        if isinstance(loss, Tensor)
        else repr(loss)
    )
    raise ObjectiveError(
        "a loss is one floating-point number, a tensor of shape []",
        got=described,
        do="reduce it, for instance by its mean over the rows",
    )


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, Tensor) else leaf


def _tensors(metric: Metric, outputs: Any, batch: Batch) -> Any:
    statistic = metric.measure(outputs, batch)
    for leaf in tree.leaves(statistic):
        if not isinstance(leaf, torch.Tensor):
            raise MetricError(
                f"the metric {metric.name!r} is not made of tensors",
                got=f"{type(leaf).__name__} {leaf!r}",
                do="answer tensors: a Python number would be frozen into the compiled step",
            )
    return statistic
