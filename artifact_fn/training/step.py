"""Step: one step of training or evaluation, as a pure function of state and batch."""

# Annotations stay strings: Dynamo cannot evaluate `tuple[X, Y]` where a function is defined
# inside a compiled step.
from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad_and_value

from artifact_fn import random, tree
from artifact_fn.optim.clipping import global_norm
from artifact_fn.optim.transform import Optimizer
from artifact_fn.training.contracts import Batch, Buffers, Objective, Params, Step
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Mean, Metrics

# What the numbers are does not matter, only that no two purposes share one: training draws from
# fold_in(key, step), every other purpose from a key of its own.
EVALUATION = 0x65766C
ORDER = 0x6F7264


def train_step(objective: Objective, optimizer: Optimizer) -> Step[TrainState]:
    """A step of training: forward, loss, gradient, optimizer and metrics in one function.

    Its metrics are the objective's, what the optimizer reports (`lr`) and `grad_norm`, the
    global 2-norm of the gradients before any clipping; the last two are means over steps.

    Example:
        >>> import torch.nn.functional as F
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training.functional import functional
        >>> from artifact_fn.training.objectives import supervised
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> step = train_step(supervised(model, F.cross_entropy), optimizer)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> state, metrics = step(state, batch)
        >>> state.step, list(metrics)
        (tensor(1), ['loss', 'lr', 'grad_norm'])
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = random.fold_in(state.key, state.step)

        def loss_of(params: Params) -> tuple[Tensor, tuple[Metrics, Buffers]]:
            loss, aux = objective(params, state.buffers, batch, key, True)
            return loss, (aux.metrics, aux.buffers)

        grads, (_, (metrics, buffers)) = grad_and_value(loss_of, has_aux=True)(state.params)
        params, opt_state = optimizer.update(grads, state.opt_state, state.params)
        told = {**optimizer.report(opt_state), "grad_norm": global_norm(grads)}
        return (
            TrainState(state.step + 1, params, buffers, opt_state, state.key),
            {**metrics, **{name: _of_one_step(value) for name, value in told.items()}},
        )

    return step


def eval_step(objective: Objective) -> Step[TrainState]:
    """A step of evaluation: the objective's metrics, in evaluation mode, without a gradient.

    The state comes back with the step counted, so that a sweep draws anew for each batch (a
    model may sample when it is evaluated); everything else in it is untouched.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = random.fold_in(random.fold_in(state.key, EVALUATION), state.step)
        _, aux = objective(state.params, state.buffers, batch, key, False)
        return tree.replace(state, step=state.step + 1), aux.metrics

    return step


def _of_one_step(value: Tensor) -> Mean:
    """A mean over steps: a value with the weight 1."""
    value = value.detach().to(torch.float64)
    return Mean(value, torch.ones_like(value))
