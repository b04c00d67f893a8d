"""Checks: single questions asked of an experiment, each answered by findings."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.runs.description import differences, field_of
from artifact_fn.runs.doctor.diagnosis import Finding
from artifact_fn.training.compiled import eager
from artifact_fn.training.contracts import Source, Step
from artifact_fn.training.experiment import Experiment
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers
from artifact_fn.training.stream import TRAIN

_WATCHED = ("model", "objective", "optimizer", "step")


def dtypes(state: TrainState, batch: Any) -> Iterator[Finding]:
    """Floating columns of another precision than the parameters."""
    kinds = {t.dtype for t in state.params.values() if t.is_floating_point()}
    if len(kinds) != 1:  # mixed on purpose
        return
    (kind,) = kinds
    for path, leaf in tree.paths(batch).items():
        if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dtype != kind:
            other, own = (str(d).removeprefix("torch.") for d in (leaf.dtype, kind))
            yield Finding(
                "dtype",
                f"the column {path!r} is {other} and the model's parameters are {own}",
                f"{other} {list(leaf.shape)} in a batch",
                f"convert it when the table is made: .to(torch.{own}); or build the model in {other}",
            )


def buffers(experiment: Experiment, state: TrainState, batch: Any) -> Iterator[Finding]:
    """Buffers that an evaluation changes."""
    key = random.fold_in(state.key, 0)
    _, aux = experiment.objective(state.params, state.buffers, batch, key, False)
    for path, before in state.buffers.items():
        after = aux.buffers.get(path, before)
        if not tree.identical(before, after):
            yield Finding(
                "buffer mutated",
                f"the buffer {path!r} is changed by forward in evaluation mode, too",
                f"another value after one evaluation of {list(before.shape)}",
                "change it under `if self.training:` only, or compute it without writing to it",
            )


def unused(experiment: Experiment, state: TrainState, batch: Any) -> Iterator[Finding]:
    """Parameters that the loss does not depend on."""
    if experiment.step is not None:  # which may minimise anything
        return
    params = {path: t.detach().clone().requires_grad_() for path, t in state.params.items()}
    key = random.fold_in(state.key, 0)
    with torch.enable_grad():
        loss, _ = experiment.objective(params, state.buffers, batch, key, True)
        grads = (
            torch.autograd.grad(loss, list(params.values()), allow_unused=True)
            if loss.requires_grad
            else [None] * len(params)
        )
    for path, grad in zip(params, grads, strict=True):
        if grad is None:
            yield Finding(
                "unused parameter",
                f"the parameter {path!r} gets no gradient",
                f"a loss that does not depend on its {params[path].numel():,} numbers",
                "use it in forward, remove it, or freeze it: requires_grad=False",
            )


def ignored(experiment: Experiment, state: TrainState, batch: Any) -> Iterator[Finding]:
    """Columns that the loss does not depend on."""
    key = random.fold_in(state.key, 0)

    def loss(given: Any) -> Tensor:
        value, _ = experiment.objective(state.params, state.buffers, given, key, False)
        return value

    if not isinstance(batch, Mapping):
        return
    whole = loss(batch)
    for name, column in batch.items():
        leaves = [leaf for leaf in tree.leaves(column) if isinstance(leaf, Tensor)]
        if not any(leaf.ndim and bool((leaf != leaf[:1]).any()) for leaf in leaves):
            continue  # alike in all rows: nothing can be told
        # Not shuffled: a mean over rows would not notice. The same row everywhere, twice.
        same = [
            loss({**batch, name: tree.map(lambda leaf, at=at: _one_row(leaf, at), column)})
            for at in (0, -1)
        ]
        if all(tree.identical(whole, value) for value in same):
            yield Finding(
                "ignored column",
                f"the loss does not depend on the column {name!r}",
                f"the same loss, {whole.item():.6g}, whatever it holds",
                "read it in the loss, if it is the targets; or leave it out of the table",
            )


def changing(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Finding]:
    """Python values that differ after an epoch: a compiled step has the old ones in it."""
    met = set()
    for path, (then, now) in differences(before, after).items():
        field = field_of(path)
        name = path.split(".<")[-1].replace(">", "")
        if field not in _WATCHED or (name, then, now) in met:
            continue
        met.add((name, then, now))
        yield Finding(
            "changing constant",
            f"the Python value {name!r} of the {field} is changed between epochs",
            f"{then} before an epoch, {now} after it, at {path}",
            "a compiled step keeps the old value: make it a schedule, or a tensor of the state "
            "(control= changes that between epochs)",
        )


def overfit(
    step: Step[TrainState], state: TrainState, batch: Any, steps: int
) -> tuple[list[float], list[Finding]]:
    """The losses of many steps on one batch, which should fall."""
    losses, plain = [], eager(step)
    for _ in range(steps):
        state, metrics = plain(state, batch)
        own = {name: m for name, m in metrics.items() if name.split("/")[-1] == "loss"}
        losses.append(sum(answers(own)[0].values()) if own else math.nan)
    first, lowest = losses[0], min(losses[-max(1, steps // 4) :])
    if math.isnan(first) or lowest < first - 1e-3 * abs(first):
        return losses, []
    return losses, [
        Finding(
            "no progress",
            f"the loss of one batch does not fall in {steps} steps on it",
            f"{first:.6g} at first, {lowest:.6g} at last",
            "look at the sign of the loss, at detach(), at a learning rate of 0 or far too high",
        )
    ]


def shapes(experiment: Experiment, most: int = 64) -> list[str]:
    """Batches of other shapes than the first one, each of which is compiled by itself."""
    source = experiment.data[TRAIN]
    first: dict[str, Any] | None = None
    notes: dict[str, str] = {}
    for batch in _some(source, most):
        now = {p: (tuple(x.shape), x.dtype) for p, x in tree.paths(batch).items()}
        first = first or now
        for path, kind in now.items():
            if path in first and first[path] != kind:
                notes.setdefault(
                    f"{kind}",
                    f"one more compile: {path!r} comes as {list(kind[0])} and {list(first[path][0])}; "
                    "drop_last=True, or a batch size that divides the rows, spares it",
                )
                break
    return list(notes.values())


@attrs.frozen(eq=False)
class Few:
    """The first batches of a source, as one.

    Attributes:
        source: The whole.
        most: How many.
    """

    source: Source[Any]
    most: int

    @property
    def steps(self) -> int | None:
        """Batches an epoch."""
        known = self.source.steps
        return None if known is None else min(known, self.most)

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Any]:
        """As of the whole, but few."""
        for i, batch in enumerate(self.source.batches(key, epoch, start), start):
            if i >= self.most:
                return
            yield batch


def _some(source: Source[Any], most: int) -> Iterable[Any]:
    steps = source.steps
    if steps is None or steps <= most:
        return Few(source, most).batches(None, 1)
    last = source.batches(None, 1, steps - 1)
    return [*Few(source, 2).batches(None, 1), next(last)]


def _one_row(leaf: Any, at: int) -> Any:
    if not isinstance(leaf, Tensor) or leaf.ndim == 0:
        return leaf
    return leaf[at].expand_as(leaf).contiguous()
