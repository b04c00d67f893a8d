"""Per-sample gradients: one gradient for each row of a batch, and their clipped mean."""

# Annotations stay strings, as in `step`.
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from artifact_fn import random, tree
from artifact_fn.errors import ObjectiveError, OptimError
from artifact_fn.training.batches import rows
from artifact_fn.training.contracts import Batch, Buffers, Objective, Params
from artifact_fn.training.statistics import Metrics, collapsed

PerSample = Callable[[Params, Buffers, Batch, Tensor], tuple[Params, Metrics]]
"""(params, buffers, batch of B rows, key) to gradients and the metrics of the batch."""


def per_sample_grads(objective: Objective) -> PerSample:
    """The gradient of each row's own loss, all at once.

    Each row is a batch of its own, [1, ...], in training mode, with a key of its own. Where the
    loss is a mean over rows, the mean of the gradients is the gradient. What the model writes into
    its buffers is dropped, and a model whose rows depend on each other, as under BatchNorm in
    training mode, has no gradient of a row.

    Args:
        objective: Whose loss is a mean over rows.

    Returns:
        A pure function (params, buffers, batch, key) -> (gradients by path [B, ...], metrics of
        the batch); it can be compiled and vmapped.

    Raises:
        ObjectiveError: when it is called, a module normalises over the rows.

    Example:
        >>> import torch.nn.functional as F
        >>> from artifact_fn.training.functional import functional
        >>> from artifact_fn.training.objectives import supervised
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> params, buffers = model.init(0)
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> grads, metrics = per_sample_grads(supervised(model, F.cross_entropy))(
        ...     params, buffers, batch, random.key(0))
        >>> list(grads["weight"].shape), list(metrics)
        ([4, 2, 3], ['loss'])
    """

    def grads_of(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor
    ) -> tuple[Params, Metrics]:
        def of_row(row: Batch, at: Tensor) -> tuple[Params, Metrics]:
            one = tree.map(lambda leaf: leaf.unsqueeze(0), row)

            def loss_of(params: Params) -> tuple[Tensor, Metrics]:
                loss, aux = objective(params, buffers, one, random.fold_in(key, at), True)
                return loss, aux.metrics

            grads, (_, metrics) = grad_and_value(loss_of, has_aux=True)(params)
            return grads, metrics

        try:
            grads, metrics = vmap(of_row)(batch, torch.arange(rows(batch), device=key.device))
        except (ValueError, RuntimeError) as cause:
            # The first is said of rows alone, the second by vmap of running statistics.
            told = ("more than 1 value per channel", "Batch norm got a batched tensor")
            if not any(part in str(cause) for part in told):
                raise
            raise ObjectiveError(
                "a row's gradient is its own",
                got="a module that normalises over the rows of a batch, such as BatchNorm",
                do="use GroupNorm or LayerNorm",
            ) from cause
        return grads, collapsed(metrics)

    return grads_of


def clipped_grads(objective: Objective, max_norm: float) -> PerSample:
    """The mean over rows of their gradients, each scaled to a global norm of at most `max_norm`.

    The clipping of differentially private SGD (Abadi et al., CCS 2016), without its noise: no row
    moves a parameter by more than another. `train_step(..., clip_rows=max_norm)` trains by it.

    Args:
        objective: Whose loss is a mean over rows.
        max_norm: Of each row's gradient, over all parameters.

    Raises:
        OptimError: `max_norm` is not positive.

    Example:
        >>> import torch.nn.functional as F
        >>> from artifact_fn.training.functional import functional
        >>> from artifact_fn.training.objectives import supervised
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> grads_of = clipped_grads(supervised(model, F.cross_entropy), max_norm=1.0)
        >>> grads, metrics = grads_of(*model.init(0), batch, random.key(0))
        >>> list(grads["weight"].shape)
        [2, 3]
    """
    check_norm(max_norm)
    each = per_sample_grads(objective)

    def grads_of(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor
    ) -> tuple[Params, Metrics]:
        grads, metrics = each(params, buffers, batch, key)
        squares = [g.flatten(1).abs().square().sum(1) for g in grads.values()]
        norms = torch.stack(squares).sum(0).sqrt()
        share = torch.clamp(max_norm / (norms + 1e-6), max=1.0) / rows(batch)
        mean = {
            path: torch.tensordot(share.to(grad.dtype), grad, dims=1)
            for path, grad in grads.items()
        }
        return mean, metrics

    return grads_of


def check_norm(max_norm: float) -> None:
    """Refuse a norm to clip to that is not positive.

    Raises:
        OptimError: it is not.
    """
    if not max_norm > 0:
        raise OptimError(
            "a norm to clip rows to is positive", got=repr(max_norm), do="give a number above 0"
        )
