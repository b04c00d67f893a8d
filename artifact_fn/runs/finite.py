"""Finite: whether a state's numbers still are, and where and when the first one was not."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.compiled import eager
from artifact_fn.training.contracts import Source, Step
from artifact_fn.training.cuts import cuts
from artifact_fn.training.experiment import Place
from artifact_fn.training.state import TrainState


def finite(state: TrainState) -> frozenset[str]:
    """The paths of a state's floating-point leaves that are finite in every number.

    What was infinite when a run began (a mask of -inf among the buffers) is meant to be.
    """
    return frozenset(path for path, leaf in _floating(state).items() if bool(_fine(leaf)))


def first_bad(state: TrainState, watched: Collection[str]) -> str | None:
    """The first of the watched leaves that holds NaN or infinity, or None. Reads the device once."""
    # A sum is the fastest thing that NaN and infinity spoil; large numbers may, too. One operation
    # a leaf, and no names: this is done at every epoch's end, and of small leaves the calls are
    # what takes time.
    sums: dict[torch.dtype, list[Tensor]] = {}
    for leaf in tree.leaves(state):
        if _counts(leaf):
            sums.setdefault(leaf.dtype, []).append(leaf.sum())
    fine = [torch.stack(found).isfinite().all() for found in sums.values()]
    if not fine or bool(torch.stack(fine).all()):
        return None
    named = ((path, leaf) for path, leaf in _floating(state).items() if path in watched)
    return next((path for path, leaf in named if not bool(_fine(leaf))), None)


def located(
    step: Step[TrainState], begin: Place, source: Source, watched: Collection[str]
) -> tuple[str | None, int | None]:
    """Take an epoch again, step by step, to the first one that makes a bad number.

    That is possible because a step is pure; it runs uncompiled, so that numbers may differ by
    rounding and a failure at the edge of what a dtype can hold may not come again.

    Args:
        step: Of the run.
        begin: Where the epoch, or the rest of it, began.
        source: Of its batches.
        watched: As in `first_bad`.

    Returns:
        The leaf's path and the number of the step, from 1; or (None, None).
    """
    epoch = begin.completed + 1
    for cut in cuts(eager(step), begin.state, source, epoch=epoch, start=begin.cursor, chunk=1):
        bad = first_bad(cut.state, watched)
        if bad is not None:
            return bad, cut.state.steps
    return None, None


def _floating(state: TrainState) -> dict[str, Tensor]:
    return {path: leaf for path, leaf in tree.paths(state).items() if _counts(leaf)}


def _counts(leaf: Any) -> bool:
    """Whether it has numbers that can be other than finite."""
    if not isinstance(leaf, Tensor) or not leaf.numel():
        return False
    return leaf.is_floating_point() or leaf.is_complex()


def _fine(leaf: Tensor) -> Tensor:
    return leaf.isfinite().all()
