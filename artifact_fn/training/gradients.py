"""Gradients: those of a batch, by one process, and how an optimizer is given them."""

# Annotations stay strings: see `step`.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor
from torch.func import grad_and_value

from artifact_fn import random, tree
from artifact_fn.optim.clipping import global_norm
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training.batches import rows
from artifact_fn.training.contracts import Aux, Batch, Buffers, Objective, Params
from artifact_fn.training.per_sample import clipped_grads
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics, merge


class Found(NamedTuple):
    """What the gradient of a batch brings.

    Attributes:
        grads: Of the trained parameters.
        rooms: Of what was handed to the objective besides parameters.
        metrics: Of the batch.
        buffers: After it.
    """

    grads: Params
    rooms: Params
    metrics: Metrics
    buffers: Buffers


class Update(NamedTuple):
    """Who makes the new parameters, and of what.

    Attributes:
        optimizer: Makes them.
        state: Of it.
        params: The trained ones, before.
        buffers: Before.
        watched: Whether somebody looks at the gradients, who needs all of them.
    """

    optimizer: Optimizer
    state: Any
    params: Params
    buffers: Buffers
    watched: bool


class Moved(NamedTuple):
    """What an update has made.

    Attributes:
        params: The trained ones, after.
        opt_state: After.
        norm: Floating [], the global 2-norm of the gradients.
        found: Of the whole batch; where nobody looks, its gradients may be a part.
    """

    params: Params
    opt_state: Any
    norm: Tensor
    found: Found


Of = Callable[[Batch, Tensor, float], Found]
"""(batch, key, weight) to what is found of them; the loss is multiplied by the weight."""


class Across(Protocol):
    """How a batch is taken among processes."""

    def __call__(self, of: Of, update: Update, batch: Batch, key: Tensor, /) -> Moved:
        """The update by the gradient of a batch."""
        ...


def alone(of: Of, update: Update, batch: Batch, key: Tensor, /) -> Moved:
    """By this process, all of it."""
    return moved(update, of(batch, key, 1.0))


def moved(update: Update, found: Found) -> Moved:
    """The update by whole gradients."""
    params, opt_state = update.optimizer.update(found.grads, update.state, update.params)
    return Moved(params, opt_state, global_norm(found.grads), found)


def gradients(
    objective: Objective,
    state: TrainState,
    trained: Params,
    rooms: Params,
    batch: Batch,
    key: Tensor,
    *,
    accumulate: int,
    clip_rows: float | None,
    weight: float,
) -> Found:
    """The gradient of an objective, in one part or in several.

    Args:
        objective: What is minimised.
        state: Its other parameters and its buffers are given to the objective.
        trained: By what the objective is derived.
        rooms: By what else it is.
        batch: A pytree of tensors [B, ...].
        key: int32 [2], for all that is drawn.
        accumulate: In how many parts.
        clip_rows: Norm to which the gradient of each row is clipped.
        weight: Of this batch among several that are one; its loss is multiplied by it.
    """
    buffers, every = state.buffers, rows(batch)
    size = -(-every // accumulate)

    def whole(params: Params, *rest: Any) -> tuple[Tensor, Aux]:
        return objective({**state.params, **params}, *rest)

    weighted: list[Params] = []
    beside: list[Params] = []
    found: list[Metrics] = []
    for i, start in enumerate(range(0, every, size)):
        part, part_key = batch, key
        if accumulate > 1:
            part = tree.map(lambda leaf, at=start: leaf[at : at + size], batch)
            part_key = random.fold_in(key, i)

        def loss_of(
            given: tuple[Params, Params],
            part: Batch = part,
            key: Tensor = part_key,
            buffers: Buffers = buffers,
        ) -> tuple[Tensor, tuple[Metrics, Buffers]]:
            loss, aux = whole({**given[0], **given[1]}, buffers, part, key, True)
            # Before the gradient, not after it: what processes tell each other while they derive
            # (see `synchronised`) is weighted then, too.
            return loss if weight == 1 else weight * loss, (aux.metrics, aux.buffers)

        if clip_rows is None:
            asked = grad_and_value(loss_of, has_aux=True)
            (grads, more), (_, (metrics, buffers)) = asked((trained, rooms))
        else:
            grads, metrics = clipped_grads(whole, clip_rows)(trained, buffers, part, part_key)
            grads = grads if weight == 1 else {p: weight * g for p, g in grads.items()}
            more = {}
        share = rows(part) / every
        weighted.append(grads if share == 1 else {p: share * g for p, g in grads.items()})
        beside.append(more)
        found.append(metrics)
    return Found(_total(weighted), _total(beside), merge(found), buffers)


def _total(parts: list[Params]) -> Params:
    total = parts[0]
    for part in parts[1:]:
        total = {path: total[path] + leaf for path, leaf in part.items()}
    return total
