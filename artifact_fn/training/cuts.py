"""Cuts: one epoch, unfolded from a step at a fixed grid of batches."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from artifact_fn import threefry, tree
from artifact_fn.errors import DataError
from artifact_fn.training.chunks import gathered
from artifact_fn.training.compiled import Compiled
from artifact_fn.training.contracts import Batch, Gathered, Source, Step
from artifact_fn.training.observers import Observer, looks, seen
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics, merge
from artifact_fn.training.step import ORDER

B = TypeVar("B", bound=Batch)

CHUNK = 128
"""Steps between two cuts at most, where nobody says otherwise."""

_CALL = 4
"""What a call costs besides its turns, in turns of a small model."""

Advanced = tuple[TrainState, int, list[Metrics]]
Advance = Callable[[TrainState, int, int], Advanced]
"""(state, first batch, batch to stop before) to the state, the batch reached and the metrics."""


class Cut(NamedTuple):
    """A place in an epoch where a run may be looked at, saved and taken up again.

    Attributes:
        cursor: Batches of the epoch that are done.
        state: The state after them.
        metrics: Of the batches since the last cut.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> cut = Cut(cursor=0, state=small_experiment().state(), metrics={})
        >>> cut.cursor, int(cut.state.step)
        (0, 0)
    """

    cursor: int
    state: TrainState
    metrics: Metrics


def cuts(
    step: Step[TrainState, B],
    state: TrainState,
    source: Source[B],
    *,
    epoch: int = 1,
    start: int = 0,
    chunk: int | None = None,
    shuffled: bool = True,
    observers: Sequence[Observer] = (),
) -> Iterator[Cut]:
    """The cuts of one epoch: after every `chunk` batches, and after the last one.

    The grid is counted from the epoch's start, never from `start`, and the order of the rows is a
    function of the state's key and the epoch; so an epoch taken up at a cut goes on exactly as
    it would have.

    Args:
        step: Called once a batch; a `compiled` one may take many batches in one call.
        state: At batch `start` of the epoch.
        source: Of the batches.
        epoch: Its index, from 1.
        start: Batches already done, as a cut has told.
        chunk: Steps between two cuts, at least 1; None for the fewest equal parts of at most 128.
        shuffled: Whether the source is read in the epoch's order, or in its rows' own.
        observers: Who looks at some of the batches; what they see is among a cut's metrics.

    Raises:
        DataError: `chunk` is below 1, `start` is not on the grid, or there are no batches.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.data import Loader, Table
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional, supervised, train_step
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> objective = supervised(model, F.cross_entropy)
        >>> rows = {"x": torch.eye(3), "y": torch.tensor([0, 1, 0])}
        >>> source = Loader(Table(rows), batch_size=2)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> step = train_step(objective, optimizer)
        >>> [(cut.cursor, int(cut.state.step)) for cut in cuts(step, state, source, chunk=1)]
        [(1, 1), (2, 2)]
    """
    size = grid(source, chunk, start)
    key = threefry.folded(state.key, ORDER) if shuffled else None
    advance = _advance(step, state, source, key, epoch, start, size, observers)
    cursor = start
    # Gradients are taken inside the step; recording another around it would keep every batch
    # alive. Set anew at each turn: a generator would leave the mode set between yields.
    while True:
        with torch.no_grad():
            state, reached, found = advance(state, cursor, cursor + size)
            metrics = merge(found) if found else {}
        if reached == cursor:
            break
        cursor = reached
        yield Cut(cursor, state, metrics)
    if cursor == 0:
        raise DataError(
            f"epoch {epoch} has no batches",
            got="a source that yields none",
            do="give a source that can be read in every epoch, not an iterator that runs dry",
        )


def grid(source: Source, chunk: int | None, start: int = 0) -> int:
    """Steps between two cuts.

    Raises:
        DataError: `chunk` is below 1 or `start` is not at a cut.
    """
    steps = source.steps
    size = chunk
    if size is None:
        size = -(-steps // -(-steps // CHUNK)) if steps else CHUNK
    if not isinstance(size, int) or size < 1 or (start % size and start != steps):
        raise DataError(
            "an epoch is cut every so many batches and taken up at a cut",
            got=f"chunk={chunk}, start={start}",
            do="give chunk of at least 1, and a cursor that a run with the same chunk has yielded",
        )
    return size


@functools.cache
def _turns(whole: int, size: int, most: int, looked: frozenset[int] = frozenset()) -> int:
    """How many steps a call shall take, so that parts of an epoch waste few turns.

    Args:
        whole: Batches of an epoch, without a short last one.
        size: Steps between two cuts.
        most: Steps a call at most.
        looked: Batches at which an observer looks, and before which a call has to end.
    """
    ends = sorted({0, whole, *range(0, whole, size), *(at for at in looked if at < whole)})
    parts = Counter(after - before for before, after in itertools.pairwise(ends))

    def cost(turns: int) -> int:
        return sum(-(-part // turns) * (turns + _CALL) * n for part, n in parts.items())

    return min(range(1, max(1, min(max(parts, default=0), most)) + 1), key=cost)


def _advance(
    step: Step[TrainState],
    state: TrainState,
    source: Source,
    key: Tensor | None,
    epoch: int,
    start: int,
    size: int,
    observers: Sequence[Observer],
) -> Advance:
    """How an epoch gets from one cut to the next."""
    if isinstance(step, Compiled) and isinstance(source, Gathered):
        most = step.steps_a_call(state)
        if most > 1:
            order = source.order(key, epoch)
            # Of its rows, not of the table's: members that each read all of it have more. Without
            # a key all of them are read, also those that an epoch of training drops.
            steps = -(-len(order) // source.batch_size) if key is None else source.steps or 0
            whole = min(len(order) // source.batch_size, steps)
            # Looked at or not, an epoch is taken by the same loop: the turns of a shorter call
            # compute the same bits, a step by itself would not.
            if _turns(whole, size, most) > 1:
                return _by_chunks(step, source, order, whole, steps, size, most, observers)
    return _by_batches(step, source.batches(key, epoch, start), observers)


def _by_batches(
    step: Step[TrainState], batches: Iterator[Batch], observers: Sequence[Observer]
) -> Advance:
    def advance(state: TrainState, first: int, stop: int) -> Advanced:
        found: list[Metrics] = []
        take, at = step, first
        for batch in itertools.islice(batches, stop - first):
            if isinstance(step, Compiled) and at == first:
                # From here to the cut nobody else holds the state, and a step may write into it.
                state, take = tree.map(torch.clone, state), step.owned
            found += seen(observers, at, state, batch)
            state, metrics = take(state, batch)
            found.append(metrics)
            at += 1
        return state, at, found

    return advance


def _by_chunks(
    step: Compiled[TrainState],
    source: Gathered,
    order: Tensor,
    whole: int,
    steps: int,
    size: int,
    most: int,
    observers: Sequence[Observer],
) -> Advance:
    """As `_by_batches`, in calls of many steps; a short last batch by itself.

    A call ends before a batch that an observer looks at: the state before it has to be known.
    """
    rows_each, columns = source.batch_size, source.columns
    looked = frozenset(looks(observers, steps))
    turns = _turns(whole, size, most, looked)

    def advance(state: TrainState, first: int, stop: int) -> Advanced:
        found = []
        at, stop = first, min(stop, steps)
        while at < stop:
            rows = order[at * rows_each : (at + turns) * rows_each]
            if at in looked:
                found += seen(observers, at, state, gathered(columns, rows[:rows_each]))
            if at < whole:
                done = min(turns, whole - at, stop - at)
                done = next((n for n in range(1, done) if at + n in looked), done)
                taken = rows[: done * rows_each].reshape(done, rows_each)
                state, metrics = step.many(state, columns, taken, turns)
            else:
                done = 1
                state, metrics = step(state, gathered(columns, rows))
            found.append(metrics)
            at += done
        return state, at, found

    return advance
