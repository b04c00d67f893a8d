"""Step: one step of training or evaluation, as a pure function of state and batch."""

# Annotations stay strings: Dynamo cannot evaluate `tuple[X, Y]` where a function is defined
# inside a compiled step.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple

import attrs
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn import random, tree
from artifact_fn.errors import OptimError
from artifact_fn.optim.transform import Optimizer, check_rule_at_end
from artifact_fn.training.contracts import Batch, Objective, Params, Step
from artifact_fn.training.gradients import Across, Found, Update, alone, gradients
from artifact_fn.training.per_sample import check_norm
from artifact_fn.training.state import TrainState, selected_params
from artifact_fn.training.statistics import Metrics, of_one_step

B = TypeVar("B", bound=Batch)
B_contra = TypeVar("B_contra", contravariant=True, default=Any)

# What the numbers are does not matter, only that no two purposes share one: training draws from
# fold_in(key, step), every other purpose from a key of its own.
EVALUATION = 0x65766C
ORDER = 0x6F7264


class Taken(NamedTuple):
    """All that one step of training has made.

    Attributes:
        state: The next one.
        metrics: Of the batch.
        grads: Of the trained parameters, before any clipping.
        rooms: The gradients of what was handed to the objective besides parameters.
    """

    state: TrainState
    metrics: Metrics
    grads: Params
    rooms: Params


@attrs.frozen(eq=False)
class TrainStep(Generic[B_contra]):
    """A step of training, and what it was made of.

    Attributes:
        take: (state, batch) to (state, metrics).
        objective: What it minimises.
        optimizer: Makes the new parameters.
        name: Of the optimizer, where a state has several.
        only: Which parameters it trains; None for all.
        accumulate: In how many parts it takes a batch.
        clip_rows: To what norm the gradient of each row is clipped; None for not.
        across: Among whom a batch is taken; `alone`, or `parallel.data_parallel`'s.
    """

    take: Step[TrainState, B_contra]
    objective: Objective[B_contra, Any]
    optimizer: Optimizer
    name: str | None
    only: str | None
    accumulate: int
    clip_rows: float | None
    across: Across = alone

    def __call__(self, state: TrainState, batch: B_contra, /) -> tuple[TrainState, Metrics]:
        """The next state, and the metrics of this batch."""
        return self.take(state, batch)


def train_step(
    objective: Objective[B, Any],
    optimizer: Optimizer,
    *,
    name: str | None = None,
    only: str | None = None,
    accumulate: int = 1,
    clip_rows: float | None = None,
    across: Across = alone,
) -> TrainStep[B]:
    """A step of training: forward, loss, gradient, optimizer and metrics in one function.

    Its metrics are the objective's, what the optimizer reports (`lr`; with `skip_nonfinite`,
    `skipped`) and `grad_norm`, the global 2-norm of the gradients before any clipping. Of these,
    floating ones are means over steps, counts are sums.

    Args:
        objective: What is minimised.
        optimizer: Makes the new parameters.
        name: Of the optimizer, where a state has several; also the prefix of the metrics.
        only: Which parameters are trained, as a pattern of their paths (`"critic/*"`);
            `TrainState.create` is told the same.
        accumulate: In how many parts the batch is taken, one after the other, their gradients
            weighted by their rows: the memory of one part, the gradient of the whole.
        clip_rows: Global norm to which the gradient of each row is clipped before their mean is
            taken (see `clipped_grads`); for models that write no buffers.
        across: Among whom a batch is taken; set by `parallel.data_parallel`.

    Raises:
        OptimError: `accumulate` is no whole number of at least 1, or `clip_rows` not positive.

    Example:
        >>> import torch
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
    check_rule_at_end(optimizer)
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise OptimError(
            "a batch is taken in at least 1 part",
            got=f"accumulate={accumulate!r}",
            do="give a whole number of at least 1",
        )
    if clip_rows is not None:
        check_norm(clip_rows)

    def step(state: TrainState, batch: B) -> tuple[TrainState, Metrics]:
        found = taken(made, state, batch)
        return found.state, found.metrics

    made = TrainStep(step, objective, optimizer, name, only, accumulate, clip_rows, across)
    return made


def taken(
    step: TrainStep,
    state: TrainState,
    batch: Batch,
    *,
    objective: Objective | None = None,
    rooms: Params | None = None,
) -> Taken:
    """A step of training, and all that was made on the way.

    Args:
        step: What is done.
        state: Before it.
        batch: A pytree of tensors [B, ...].
        objective: In the place of the step's own.
        rooms: Tensors by name that the objective is given among the parameters, and whose
            gradients are asked for; where a batch is taken in parts, theirs are added.
    """
    key = random.fold_in(state.key, state.step)
    trained = selected_params(state.params, step.only)
    minimised = step.objective if objective is None else objective

    def of(batch: Batch, key: Tensor, weight: float) -> Found:
        return gradients(
            minimised,
            state,
            trained,
            rooms or {},
            batch,
            key,
            accumulate=step.accumulate,
            clip_rows=step.clip_rows,
            weight=weight,
        )

    named = step.name
    opt_state = state.opt_state if named is None else state.opt_state[named]
    update = Update(step.optimizer, opt_state, trained, state.buffers, objective is not None)
    moved = step.across(of, update, batch, key)
    told = {**step.optimizer.report(moved.opt_state), "grad_norm": moved.norm}
    after = TrainState(
        state.step + 1,
        {**state.params, **moved.params},
        moved.found.buffers,
        moved.opt_state if named is None else {**state.opt_state, named: moved.opt_state},
        state.key,
    )
    whole = {
        **moved.found.metrics,
        **{part: of_one_step(value) for part, value in told.items()},
    }
    return Taken(after, prefixed_metrics(step, whole), moved.found.grads, moved.found.rooms)


def prefixed_metrics(step: TrainStep, metrics: Mapping[str, Any]) -> Metrics:
    """Metrics under the name of the step's optimizer, where it has one."""
    prefix = "" if step.name is None else f"{step.name}/"
    return {f"{prefix}{part}": value for part, value in metrics.items()}


def eval_step(objective: Objective[B, Any]) -> Step[TrainState, B]:
    """A step of evaluation: the objective's metrics, in evaluation mode, without a gradient.

    The state comes back with the step counted, so that a sweep draws anew for each batch (a
    model may sample when it is evaluated); everything else in it is untouched.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training.functional import functional
        >>> from artifact_fn.training.objectives import supervised
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> state = TrainState.create(model, sgd(0.1), seed=0)
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> after, metrics = eval_step(supervised(model, F.cross_entropy))(state, batch)
        >>> tree.identical(after.params, state.params), list(metrics)
        (True, ['loss'])
    """

    def step(state: TrainState, batch: B) -> tuple[TrainState, Metrics]:
        key = random.fold_in(random.fold_in(state.key, EVALUATION), state.step)
        _, aux = objective(state.params, state.buffers, batch, key, False)
        return tree.replace(state, step=state.step + 1), aux.metrics

    return step
