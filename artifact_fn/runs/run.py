"""Run: an experiment in a directory, begun or taken up; the answer is a run or a fault."""

import os
import time
import uuid
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import attrs
from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn.folds.epoch import Run
from artifact_fn.folds.fold import named
from artifact_fn.runs.compared import compared, fold_digests
from artifact_fn.runs.description import describe
from artifact_fn.runs.directory import Directory, read_experiment, write_experiment
from artifact_fn.runs.faults import Fault, Missing, Occupied
from artifact_fn.runs.found import found
from artifact_fn.runs.opened import opened
from artifact_fn.runs.position import Position
from artifact_fn.runs.provenance import environment
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.session import Unfold, carried_on, everything, unfolded
from artifact_fn.runs.signals import DEFAULT
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.journal import Record
from artifact_fn.runs.storage.lock import locked
from artifact_fn.runs.storage.stamp import stamp
from artifact_fn.runs.storage.values import encode
from artifact_fn.runs.trackers.contract import Tracker
from artifact_fn.runs.trackers.feeder import check_trackers, fed
from artifact_fn.training.experiment import CONTROL, Experiment, Place
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import Stream, check_reads

LINGER = 3.0
"""Seconds that are waited at the end for trackers, unless told otherwise."""

Show = Callable[[Stream], Stream]
"""Looks at a stream as it is read, such as `progress`."""


def _unseen(stream: Stream) -> Stream:
    return stream


def run(
    experiment: Experiment,
    directory: str | Path,
    *,
    saving: Saving | None = None,
    show: Show = _unseen,
    signals: Sequence[int] = DEFAULT,
    clock: Callable[[], float] = time.perf_counter,
    trackers: Sequence[Tracker] = (),
    linger: float = LINGER,
    pens: int = 1,
    unfold: Unfold = unfolded,
) -> IOResult[Run[TrainState], Fault]:
    """Run an experiment from its beginning in a directory of its own.

    Everything that is to be known of it is in the directory at any moment: kill the process
    where you like, and `resume` goes on with the same bits.

    Args:
        experiment: What is run.
        directory: Where; made if need be. It holds no other run.
        saving: When checkpoints are made and which are kept; `Saving()` by default.
        show: Looks at the stream of epochs as it is read.
        signals: Those that end the run at its next cut, saved, with `Interrupted`. Their former
            handlers are back when this returns, and after the first of them at once.
        clock: Seconds.
        trackers: Where the run is told of, by threads that read its journal.
        linger: Seconds that are waited at the end for trackers that are behind. What they have
            not been told by then, `replay` tells them.
        pens: Processes that draw what a plan with `deferred=True` leaves undrawn, while training
            goes on. An epoch is written down when its figures are there; those that cannot be
            drawn are named in its record and in a warning.
        unfold: Makes the stream of epochs; `distributed.together` has one of its own.

    Returns:
        The run; or the fault: `Occupied`, `Locked`, `Storage`, `NotFinite`, `Interrupted`.

    Raises:
        ArtifactFnError: the experiment itself is at fault; nothing is written.

    Example:
        >>> import tempfile
        >>> from artifact_fn.testing import small_experiment
        >>> outcome = run(small_experiment(), tempfile.mkdtemp() + "/run")
        >>> outcome.map(lambda run: run.answers["selected"].index)
        <IOResult: <Success: 2>>
    """

    def begun() -> Run[TrainState]:
        where = Directory(Path(os.path.abspath(directory)))
        check_trackers(trackers)
        if where.experiment.exists():
            raise Occupied(where.root)
        state = experiment.state()
        stream = _stream(experiment, Place(state), show, clock, unfold)
        start = Position(
            Place(state), named(everything(experiment)).init(), fold_digests(experiment)
        )
        encode(start.value())  # what could not be saved is told before training
        files.make(where.root)
        with locked(where.root):
            if where.experiment.exists():
                raise Occupied(where.root)
            about = {"environment": environment(), "experiment": describe(experiment)}
            write_experiment(where, {"id": uuid.uuid4().hex, **about})
            with (
                opened(experiment, where, stream, start, saving, signals, clock, pens) as session,
                fed(where.root, trackers, linger),
            ):
                return carried_on(session)

    return _outcome(begun)


def resume(
    experiment: Experiment,
    directory: str | Path,
    *,
    allow: Collection[str] = (),
    wait: bool = False,
    saving: Saving | None = None,
    show: Show = _unseen,
    signals: Sequence[int] = DEFAULT,
    clock: Callable[[], float] = time.perf_counter,
    trackers: Sequence[Tracker] = (),
    linger: float = LINGER,
    pens: int = 1,
    unfold: Unfold = unfolded,
) -> IOResult[Run[TrainState], Fault]:
    """Go on with a run where it was left, in the middle of an epoch too.

    What follows is what would have followed: state, history, stopper and selection are the same
    to the bit. A run that has ended is not run again; its answer is.

    Args:
        experiment: The one the run was begun with.
        directory: Of the run.
        allow: Fields of the experiment that may differ from then, e.g. `{"until"}`. A stopper
            and folds that differ are asked over the journal's epochs first (which hold scores,
            but no states); a selection that differs begins here.
        wait: Whether to wait for another process that is at work in the directory.
        saving: As in `run`; need not be the same as before.
        show: As in `run`.
        signals: As in `run`.
        clock: As in `run`.
        trackers: As in `run`; each goes on where it was.
        linger: As in `run`.
        pens: As in `run`.
        unfold: As in `run`.

    Returns:
        The run; or the fault: `Missing`, `Changed`, `Locked`, `Damaged` (of `experiment.json` or
        the journal: a damaged checkpoint is told by a warning, and an earlier one taken),
        `Storage`, `NotFinite`, `Interrupted`.

    Raises:
        ArtifactFnError: the experiment itself is at fault.

    Example:
        >>> import tempfile
        >>> from artifact_fn.testing import small_experiment
        >>> root = tempfile.mkdtemp() + "/run"
        >>> outcome = run(small_experiment(epochs=2), root)
        >>> outcome = resume(small_experiment(epochs=4), root, allow={"until"})
        >>> outcome.map(lambda run: run.last.index)
        <IOResult: <Success: 4>>
    """

    def taken_up() -> Run[TrainState]:
        where = Directory(Path(os.path.abspath(directory)))
        check_trackers(trackers)
        if not where.experiment.exists():
            raise Missing(where.root)
        with locked(where.root, wait=wait):
            then, now, description = read_experiment(where), environment(), describe(experiment)
            other = compared(then, description, now["bits"], allow)
            if other.told:
                warnings.warn(
                    f"the run goes on, but its last bits may differ: {'; '.join(other.told)}",
                    stacklevel=4,
                )
            start, mark = found(experiment, where)
            stream = _stream(experiment, start.place, show, clock, unfold, start.carry)
            told: Record = {
                "kind": "resumed",
                "from": None if mark is None else mark.name,
                "at": stamp(),
                "changed": sorted(other.fields),
                "environment": now,
            }
            with opened(
                experiment,
                where,
                stream,
                start,
                saving,
                signals,
                clock,
                pens,
                mark,
                bool(other.fields or other.told),
            ) as session:
                session.scribe.append(told)
                if other.fields:  # from now on this is the experiment
                    write_experiment(where, {**then, "experiment": description})
                with fed(where.root, trackers, linger):
                    return carried_on(session)

    return _outcome(taken_up)


def _stream(
    experiment: Experiment,
    start: Place,
    show: Show,
    clock: Callable[[], float],
    unfold: Unfold,
    carry: dict[str, Any] | None = None,
) -> Stream:
    """The epochs from a place on, which hold every score that a fold reads."""
    start = start if carry is None else attrs.evolve(start, control=(carry[CONTROL],))
    stream = show(unfold(experiment, start, clock))
    check_reads(named(everything(experiment)).reads, stream.makes)
    return stream


def _outcome(effect: Callable[[], Run[TrainState]]) -> IOResult[Run[TrainState], Fault]:
    try:
        return IOSuccess(effect())
    except Fault as fault:
        return IOFailure(fault)
