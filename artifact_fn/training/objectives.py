"""Objectives: losses of parameters and a batch, with the metrics measured on the way."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import MetricError
from artifact_fn.training.agreement import check_aligned, check_model
from artifact_fn.training.batches import READER, Inputs, check_inputs, column, rows, selected
from artifact_fn.training.contracts import Aux, Batch, Buffers, Model, Objective, Params
from artifact_fn.training.losses import Loss, check_scalar
from artifact_fn.training.metrics import Metric
from artifact_fn.training.statistics import Metrics, mean

Evaluate = Callable[[Params, Buffers, Batch, Tensor, bool], tuple[Tensor, Any, Buffers]]
"""(params, buffers, batch, key, training) to (loss, outputs, buffers)."""

_TAKEN = ("loss", "lr", "grad_norm", "skipped")


def objective(evaluate: Evaluate, metrics: Sequence[Metric] = ()) -> Objective:
    """An objective from a function that calls the model and reduces its outputs to a loss.

    The loss itself is measured under the name `loss`, weighted by the rows of the batch.

    Args:
        evaluate: (params, buffers, batch, key, training) -> (loss [], outputs, buffers); pure.
        metrics: Measured on the outputs, outside the gradient.

    Raises:
        MetricError: two metrics share a name, or one has a name that a step uses itself.

    Example:
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 1))
        >>> def squared(params, buffers, batch, key, training):
        ...     outputs, buffers = model.apply(params, buffers, batch["x"], key=key, training=training)
        ...     return outputs.square().mean(), outputs, buffers
        >>> _, aux = objective(squared)(*model.init(0), {"x": torch.ones(4, 3)}, torch.zeros(2), True)
        >>> list(aux.metrics)
        ['loss']
    """
    _names(metrics)

    def bare(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool
    ) -> tuple[Tensor, Any, Buffers, Metrics]:
        return *evaluate(params, buffers, batch, key, training), {}

    return _measured(bare, metrics)


def _names(metrics: Sequence[Metric], losses: Iterable[str] = ()) -> None:
    for metric in metrics if isinstance(metrics, Iterable) else [None]:
        if not isinstance(metric, Metric):
            raise MetricError(
                "an objective measures a list of Metric",
                got=f"{metrics if metric is None else metric!r}",
                do="pass metrics=[metrics.accuracy()], or metrics.metric(name, function)",
            )
    names = [*losses, *(metric.name for metric in metrics)]
    for name in names:
        if name in _TAKEN:
            raise MetricError(
                f"the name {name!r} is the step's own",
                got=f"metrics {', '.join(names)}; a step itself makes {', '.join(_TAKEN)}",
                do="call it otherwise",
            )
        if names.count(name) > 1:
            raise MetricError(
                f"two metrics would be called {name!r}",
                got=f"metrics {', '.join(names)}",
                do="give each a name of its own",
            )


def _measured(
    evaluate: Callable[..., tuple[Tensor, Any, Buffers, Metrics]], metrics: Sequence[Metric]
) -> Objective:
    def measured(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool
    ) -> tuple[Tensor, Aux]:
        loss, outputs, buffers, parts = evaluate(params, buffers, batch, key, training)
        check_scalar(loss)
        outputs = tree.map(_detached, outputs)
        found: Metrics = {
            "loss": mean(loss, rows(batch)),
            **parts,
            **{metric.name: _tensors(metric, outputs, batch) for metric in metrics},
        }
        return loss, Aux(outputs, found, buffers)

    return measured


def minimise(
    model: Model,
    losses: Loss | Mapping[str, Loss],
    *,
    inputs: Inputs = None,
    metrics: Sequence[Metric] = (),
    method: str = "forward",
) -> Objective:
    """The loss, or the sum of several, of a model's outputs and the batch.

    Several losses are also measured one by one, under their names.

    Args:
        model: Called with the input columns.
        losses: (outputs, batch) to a scalar that is a mean over rows; or several by name.
        inputs: The column the model takes; several in a tuple (by position) or a dict from its
            argument's name to the column; None for the whole batch as one argument.
        metrics: Measured on the outputs.
        method: Of the module, to be called.

    Raises:
        ModelError: `model` is no model, but a module, say.
        MetricError: a metric and a loss share a name.

    Example:
        >>> from artifact_fn.training.functional import functional
        >>> from artifact_fn.training.losses import weighted
        >>> model = functional(lambda: torch.nn.Linear(3, 3))
        >>> objective = minimise(
        ...     model,
        ...     {
        ...         "error": lambda outputs, batch: (outputs - batch["x"]).square().mean(),
        ...         "size": weighted(0.1, lambda outputs, batch: outputs.abs().mean()),
        ...     },
        ...     inputs="x",
        ... )
        >>> state = model.init(0)
        >>> _, aux = objective(*state, {"x": torch.ones(4, 3)}, torch.zeros(2), False)
        >>> list(aux.metrics)
        ['loss', 'error', 'size']
    """
    _names(metrics, losses if isinstance(losses, Mapping) else {})
    check_model(model)
    check_inputs(inputs)

    def evaluate(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool
    ) -> tuple[Tensor, Any, Buffers, Metrics]:
        given = selected(batch, inputs)
        outputs, after = model.apply(
            params, buffers, given, key=key, training=training, method=method
        )
        if not isinstance(losses, Mapping):
            return losses(outputs, batch), outputs, after, {}
        values = {name: loss(outputs, batch) for name, loss in losses.items()}
        for value in values.values():
            check_scalar(value)
        found = {name: mean(value, rows(batch)) for name, value in values.items()}
        return torch.stack(list(values.values())).sum(), outputs, after, found

    return _measured(evaluate, metrics)


def supervised(
    model: Model,
    loss: Callable[[Any, Any], Tensor],
    *,
    inputs: Inputs = "x",
    targets: str = "y",
    metrics: Sequence[Metric] = (),
) -> Objective:
    """The loss between a model's outputs and a column of targets.

    Args:
        model: Called with the input columns.
        loss: (outputs, targets) to a scalar that is a mean over rows, e.g. `F.cross_entropy`.
        inputs: The columns the model takes, as in `minimise`.
        targets: The column of targets. Floats [N] are refused for outputs [N, 1], and the reverse.
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

    def against_targets(outputs: Any, batch: Batch) -> Tensor:
        wanted = column(batch, targets, READER, "say which the targets are: targets='label'")
        check_aligned(outputs, wanted, targets)
        return loss(outputs, wanted)

    return minimise(model, against_targets, inputs=inputs, metrics=metrics)


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
