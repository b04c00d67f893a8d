"""Replicas: a step of training whose batch is taken by several processes, a part each.

Every process has the whole state and is given the whole batch; it takes its rows of it, and what
it finds is joined with what the others find. So the step means what it means in one process (law
9), whatever is made of it: it is compiled, run by chunks, watched and saved like any other.
"""

# Annotations stay strings: see `step`.
from __future__ import annotations

from typing import Any

from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import ParallelError
from artifact_fn.training.batches import rows
from artifact_fn.training.compiled import Compiled
from artifact_fn.training.contracts import Batch, Buffers, Params, Step
from artifact_fn.training.gradients import Found, Moved, Of, Update, alone, moved
from artifact_fn.training.parallel.mesh import Mesh, Way, reduced
from artifact_fn.training.sequence import Sequence, sequence
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import joins
from artifact_fn.training.step import TrainStep, train_step

LEAST = 2
"""Rows that a process is given at least; of one row alone, a BatchNorm has no statistics."""


def data_parallel(step: Step[TrainState, Any], mesh: Mesh) -> Step[TrainState, Any]:
    """The same step, taken by all processes of a mesh together.

    Each takes an even share of the rows of a batch. Gradients, metrics and buffers are joined by
    one message for each dtype; then every process makes the same update, so that states stay the
    same, bit for bit. Losses are weighted by rows, so a short last batch is right; a batch of fewer
    than 2 rows a process is taken by each of them, whole.

    What depends on the other rows of a batch needs them: BatchNorm normalises with the
    statistics of a process's own rows, and running ones are averaged, unless the model is
    `synchronised`. Dropout draws for each process from a key of its own, as each part of
    `train_step(..., accumulate=size)` does.

    Args:
        step: Of `train_step`, or a `sequence` of such; not compiled yet: `compiled` goes around
            what this answers.
        mesh: Who takes part. All of them are to be given the same states and batches, in the
            same order.

    Raises:
        ParallelError: `step` is another step, or compiled, or in parallel already.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional, supervised, train_step
        >>> from artifact_fn.training.parallel import ALONE
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> step = data_parallel(train_step(supervised(model, F.cross_entropy), optimizer), ALONE)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> batch = {"x": torch.ones(4, 3), "y": torch.zeros(4, dtype=torch.int64)}
        >>> step(state, batch)[0].step
        tensor(1)
    """
    if isinstance(step, Sequence):
        return sequence(*(data_parallel(part, mesh) for part in step.steps))
    if not isinstance(step, TrainStep) or step.across is not alone:
        got = f"a {type(step).__name__}"
        if isinstance(step, TrainStep):
            got = "a step that they share already"
        elif isinstance(step, Compiled):
            got = "a compiled step"
        raise ParallelError(
            "a step that processes share is one of train_step, or a sequence of such",
            got=got,
            do="compile it afterwards: compiled(data_parallel(train_step(...), mesh))",
        )

    def across(of: Of, update: Update, batch: Batch, key: Tensor, /) -> Moved:
        return _across(mesh, of, update, batch, key)

    return train_step(
        step.objective,
        step.optimizer,
        name=step.name,
        only=step.only,
        accumulate=step.accumulate,
        clip_rows=step.clip_rows,
        across=across,
    )


def _across(mesh: Mesh, of: Of, update: Update, batch: Batch, key: Tensor) -> Moved:
    every = rows(batch)
    if mesh.size == 1:
        return alone(of, update, batch, key)
    whole = every < LEAST * mesh.size
    if whole:
        weight = 1 / mesh.size
        found = of(batch, key, weight)
    else:
        start, stop = mesh.share(every)
        weight = (stop - start) / every
        part = tree.map(lambda leaf: leaf[start:stop] if leaf.ndim else leaf, batch)
        found = of(part, random.fold_in(key, mesh.rank), weight)
    parts = None if update.watched else update.optimizer.from_parts
    # What was handed through is the same everywhere, and would be sent for nothing.
    running = {
        path: leaf * weight
        for path, leaf in found.buffers.items()
        if leaf is not update.buffers.get(path) and leaf.is_floating_point()
    }
    told = [] if whole else tree.leaves(found.metrics)
    groups: list[Params] = [{} if parts else found.grads, found.rooms, running]
    small = [*(leaf for group in groups for leaf in group.values()), *told]
    ways: list[Way] = ["sum" for group in groups for _ in group]
    ways += [] if whole else joins(found.metrics)

    def scatter(vectors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        first: list[Way] = ["scatter" for _ in vectors]
        answers = reduced(mesh, [*vectors, *small], [*first, *ways])
        return answers[: len(vectors)], answers[len(vectors) :]

    def everybodys(answers: list[Tensor]) -> Found:
        joined = iter(answers)
        grads, rooms, buffers = ({path: next(joined) for path in group} for group in groups)
        # Cloned: what is kept must not keep the vector it came in, which holds all gradients.
        after: Buffers = {**found.buffers, **{path: leaf.clone() for path, leaf in buffers.items()}}
        metrics = found.metrics
        if not whole:
            metrics = tree.unflatten([t.clone() for t in joined], tree.flatten(metrics)[1])
        return Found(found.grads if parts else grads, rooms, metrics, after)

    if parts is None:
        return moved(update, everybodys(reduced(mesh, small, ways)))
    params, opt_state, norm, answers = parts(found.grads, update.state, update.params, scatter)
    return Moved(params, opt_state, norm, everybodys(answers))
