"""Cuts: one epoch, unfolded from a step at a fixed grid of batches."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from artifact_fn import random
from artifact_fn.errors import DataError
from artifact_fn.training.contracts import Source, Step
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics, merge
from artifact_fn.training.step import ORDER

CHUNK = 128
"""Steps between two cuts, where nobody says otherwise."""


class Cut(NamedTuple):
    """A place in an epoch where a run may be looked at, saved and taken up again.

    Attributes:
        cursor: Batches of the epoch that are done.
        state: The state after them.
        metrics: Of the batches since the last cut.
    """

    cursor: int
    state: TrainState
    metrics: Metrics


def cuts(
    step: Step[TrainState],
    state: TrainState,
    source: Source,
    *,
    epoch: int = 1,
    start: int = 0,
    chunk: int = CHUNK,
) -> Iterator[Cut]:
    """The cuts of one epoch: after every `chunk` batches, and after the last one.

    The grid is counted from the epoch's start, never from `start`, and the order of the rows is a
    function of the state's key and the epoch; so an epoch taken up at a cut goes on exactly as
    it would have.

    Args:
        step: Called once a batch.
        state: At batch `start` of the epoch.
        source: Of the batches.
        epoch: Its index, from 1.
        start: Batches already done, a multiple of `chunk`.
        chunk: Steps between two cuts, at least 1.

    Raises:
        DataError: `chunk` is below 1, `start` is not on the grid, or there are no batches.
    """
    check_grid(chunk, start)
    key = random.fold_in(state.key, ORDER)
    since: list[Metrics] = []
    cursor = start
    for batch in source.batches(key, epoch, start):
        # Gradients are taken inside the step; recording another around it would keep every
        # batch alive. Not around the loop: a generator would leave the mode set between yields.
        with torch.no_grad():
            state, metrics = step(state, batch)
        since.append(metrics)
        cursor += 1
        if cursor % chunk == 0:
            yield Cut(cursor, state, merge(since))
            since = []
    if since:
        yield Cut(cursor, state, merge(since))
    if cursor == 0:
        raise DataError(
            f"epoch {epoch} has no batches",
            got="a source that yields none",
            do="give a source that can be read in every epoch, not an iterator that runs dry",
        )


def check_grid(chunk: int, start: int = 0) -> None:
    """Refuse a grid that cannot be, or a place that is not on it.

    Raises:
        DataError: `chunk` is below 1 or `start` is not one of its multiples.
    """
    if not isinstance(chunk, int) or chunk < 1 or start % chunk:
        raise DataError(
            "an epoch is cut every so many batches and taken up at a cut",
            got=f"chunk={chunk}, start={start}",
            do="give chunk of at least 1, and a cursor that a run with the same chunk has yielded",
        )
