"""Loop: the stream of epochs, unfolded from a step, and folded until a stopper says so."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from artifact_fn.errors import DataError, FoldError
from artifact_fn.folds.epoch import SECONDS, Epoch, Run, Stop
from artifact_fn.folds.fold import Fold, named
from artifact_fn.folds.stopping import Stopper
from artifact_fn.optim.guards import Skips, check_skips
from artifact_fn.training.compiled import eager, like
from artifact_fn.training.contracts import Batch, Source, Step
from artifact_fn.training.control import Control, check_control, steered, unchanged
from artifact_fn.training.cuts import cuts, grid
from artifact_fn.training.places import check_state, check_step
from artifact_fn.training.preflight import check_finite, first_batch, tried, warn_of_no_gradient
from artifact_fn.training.riding import riding
from artifact_fn.training.routines import Prepared, Routine, drawn, prefixed
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics, answers, merge
from artifact_fn.training.stream import TRAIN, Advance, Event, Stream, check_reads
from artifact_fn.tree import records

S = TypeVar("S")
B = TypeVar("B", bound=Batch)


def epochs(
    step: Step[TrainState, B],
    state: TrainState,
    source: Source[B],
    *,
    routines: Sequence[Routine] = (),
    control: Control = unchanged,
    completed: int = 0,
    cursor: int = 0,
    metrics: Sequence[Metrics] = (),
    elapsed: float = 0.0,
    chunk: int | None = None,
    clock: Callable[[], float] | None = None,
) -> Stream:
    """The stream of epochs that a step makes of a state and a source.

    The step and the routines are tried on a first batch here, so that what is wrong with them
    is said before training.

    Args:
        step: Compiled or not; routines are compiled alike.
        state: At the end of epoch `completed`, or `cursor` batches later.
        source: Of the training batches.
        routines: What is computed at an epoch's end, in this order.
        control: A fold over the epochs that answers a function from state to state, applied
            before each epoch, such as `optim.reduce_on_plateau`. To go on where a run was left,
            give the fold its carry: `attrs.evolve(control, init=lambda: carry)`.
        completed: Epochs already behind `state`.
        cursor: Batches of the next epoch that are behind it too, as an `Advance` has told.
        metrics: Of these batches, as the same `Advance` has told.
        elapsed: Seconds that the run had taken by then.
        chunk: Steps between two cuts of an epoch; None for the fewest equal parts of at most
            128, which wastes no turn of a compiled chunk.
        clock: Seconds, e.g. `time.perf_counter`; without one, no fold can read the time.

    Raises:
        DataError: the source yields nothing, `chunk` is below 1 or `completed` below 0, `cursor` is
            at no cut, two routines make the same score, or `state` is no state.
        ObjectiveError, MetricError, PurityError: the step breaks its contract.
        OptimError: the state was made for another optimizer than the step's.
        FoldError: `control` is no control.
        ScoreError: it reads a score that nothing makes.
        NonFiniteError: at a cut, `optim.skip_nonfinite` has skipped too many updates in a row.

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
        >>> stream = epochs(train_step(objective, optimizer), state, source)
        >>> epoch = next(iter(stream))
        >>> epoch.index, int(epoch.state.step), sorted(epoch.scores)
        (1, 2, ['train/grad_norm', 'train/loss', 'train/lr'])
    """
    check_step(step)
    check_state(state)
    check_control(control)
    if isinstance(completed, bool) or not isinstance(completed, int) or completed < 0:
        raise DataError(
            "completed counts the epochs behind the state",
            got=f"completed={completed!r}",
            do="give 0 or more, as the index of the last epoch tells",
        )
    for routine in routines if isinstance(routines, Iterable) else [None]:
        if not isinstance(routine, Routine):
            raise DataError(
                "routines are a list of Routine",
                got=f"{'one alone' if routine is None else type(routine).__name__}",
                do="pass routines=[evaluation('val', objective, val)]",
            )
    first = first_batch(source)
    grid(source, chunk, cursor)
    _, found = tried(eager(step), state, first)
    check_finite(found)
    warn_of_no_gradient(found)
    rides = riding(step, routines, state, first, source.steps)
    prepared = [
        (routine, routine.prepare(lambda other: like(step, other), state)) for routine in routines
    ]
    makes = [frozenset(f"{TRAIN}/{name}" for name in answers(found)[0])]
    makes += [part.makes for _, part in prepared]
    makes += [frozenset(f"{TRAIN}/{name}" for name in more) for more in rides.makes]
    twice = {
        a for i, names in enumerate(makes) for a in names if a in frozenset().union(*makes[:i])
    }
    if twice:
        raise DataError(
            "each score has one maker",
            got=f"two of {', '.join(sorted(twice))}",
            do="give the routines other splits",
        )

    guarded = bool(records(state.opt_state, Skips))

    def events() -> Iterator[Event]:
        began = math.nan if clock is None else clock()
        current, begin, parts = state, cursor, list(metrics)
        carry = control.init()
        for index in itertools.count(completed + 1):
            if not begin:  # in its middle, an epoch has been steered already
                current = steered(control, carry, current)
            looking = rides.due(index)
            for cut in cuts(
                step, current, source, epoch=index, start=begin, chunk=chunk, observers=looking
            ):
                current = cut.state
                if guarded:
                    check_skips(current.opt_state)
                parts.append(cut.metrics)
                yield Advance(index, cut.cursor, source.steps, current, tuple(parts))
            trained = prefixed(TRAIN, *answers(merge(parts)))
            scores, artifacts = trained
            for routine, part in _due(prepared, index):
                made = part.run(current) if routine.rides is None else trained
                scores = {**scores, **made[0]}
                artifacts = {**artifacts, **made[1], **drawn(routine, made)}
            begin, parts = 0, []
            seconds = math.nan if clock is None else elapsed + clock() - began
            epoch = Epoch(index, current, scores, artifacts, seconds)
            yield epoch
            carry = control.step(carry, epoch)

    timed = frozenset() if clock is None else frozenset({SECONDS})
    stream = Stream(events, timed.union(*makes))
    check_reads(control.reads, stream.makes)
    return stream


def _due(
    prepared: Sequence[tuple[Routine, Prepared]], index: int
) -> list[tuple[Routine, Prepared]]:
    return [(routine, part) for routine, part in prepared if routine.due(index)]


def fit(
    stream: Iterable[Epoch[S]],
    *,
    until: Stopper[Epoch[S]],
    **folds: Fold[Epoch[S], Any, Any] | Stopper[Epoch[S]],
) -> Run[S]:
    """Read a stream of epochs until a stopper says so.

    Args:
        stream: Of `epochs`, or any iterable of epochs.
        until: When to stop; asked after every epoch.
        folds: Asked when it is over; their answers are the run's, by name.

    Returns:
        The last epoch, why it ended, and the answers.

    Raises:
        ScoreError: a fold reads a score that the stream does not make.
        FoldError: `until` is no stopper, or another is no fold.
        DataError: the stream is empty.

    Example:
        >>> from artifact_fn.folds import at_most, best
        >>> stream = [Epoch(i, None, {"val/loss": x}) for i, x in enumerate([0.5, 0.25, 0.75], 1)]
        >>> run = fit(stream, until=at_most(3), best=best("val/loss"))
        >>> run.stop.reason, run.answers["best"].index
        ('3 epochs are done', 2)
    """
    if not isinstance(until, Stopper):
        raise FoldError(
            "a run ends when a stopper says so",
            got=f"until={type(until).__name__}",
            do="pass e.g. until=at_most(100) | patience('val/loss', 5)",
        )
    for name, given in folds.items():
        if not isinstance(given, Fold | Stopper):
            raise FoldError(
                "what is asked of the epochs is a fold",
                got=f"{name}={type(given).__name__}",
                do="pass e.g. history=history(), best=best('val/loss'), or a folds.Fold",
            )
    asked = {name: f.fold if isinstance(f, Stopper) else f for name, f in folds.items()}
    everything = named({**asked, "until": until.fold})
    if isinstance(stream, Stream):
        check_reads(everything.reads, stream.makes)
    carry = everything.init()
    last: Epoch[S] | None = None
    stop: Stop | None = None
    for last in stream:
        carry = everything.step(carry, last)
        stop = until.fold.extract(carry["until"])
        if stop is not None:
            break
    if last is None:
        raise DataError(
            "a run has at least one epoch", got="an empty stream", do="give epochs to read"
        )
    answer = {name: fold.extract(carry[name]) for name, fold in asked.items()}
    return Run(last, stop or Stop("the stream has ended"), answer)
