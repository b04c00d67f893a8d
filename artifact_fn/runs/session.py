"""Session: one process at work on a run, from the place where it is to the end or a fault."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from artifact_fn.errors import NonFiniteError
from artifact_fn.folds.epoch import Epoch, Run, Stop
from artifact_fn.folds.fold import named
from artifact_fn.runs import told
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.faults import Fault, Interrupted, NotFinite
from artifact_fn.runs.finite import finite, first_bad, located
from artifact_fn.runs.position import Position
from artifact_fn.runs.saving import Job, Saving, Writer
from artifact_fn.runs.scribe import Scribe
from artifact_fn.runs.storage.journal import Record
from artifact_fn.training.experiment import CONTROL, SELECTED, UNTIL, AnyFold, Experiment, Place
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import TRAIN, Advance, Stream

Heard = Callable[[], int | None]
"""The number of a signal that was heard, or None."""

Unfold = Callable[[Experiment, Place, Callable[[], float]], Stream]
"""(experiment, where to begin, clock) to its stream of epochs."""


@attrs.frozen(eq=False)
class Session:
    """What a process needs to go on with a run.

    Attributes:
        experiment: What is run.
        where: Its directory, whose lock this process holds.
        stream: From the place of `at` on.
        at: Where the run is.
        scribe: Writes the journal.
        known: What it says of epochs that were run before, by index, the last time each.
        writer: Of checkpoints.
        saving: When they are due.
        heard: Whether to end at the next cut.
        clock: Seconds.
        changed: Whether epochs may come out otherwise than the journal says.
    """

    experiment: Experiment
    where: Directory
    stream: Stream
    at: Position
    scribe: Scribe
    known: Mapping[int, Record]
    writer: Writer
    saving: Saving
    heard: Heard
    clock: Callable[[], float]
    changed: bool


def unfolded(experiment: Experiment, start: Place, clock: Callable[[], float]) -> Stream:
    """The stream of epochs, by this process alone."""
    return experiment.stream(start, clock=clock)


def everything(experiment: Experiment) -> dict[str, AnyFold]:
    """All folds of an experiment, its stopper too, by name."""
    return {**experiment.asked(), UNTIL: experiment.until.fold, CONTROL: experiment.control}


def carried_on(session: Session) -> Run[TrainState]:
    """Go on until the stopper says so.

    Raises:
        Fault: something has happened; what could be saved is.
        ArtifactFnError: the experiment is at fault.
    """
    try:
        run = _folded(session)
        session.writer.wait()
        session.scribe.settle()
        told.ended(session.scribe.journal, run)
        told.undrawn(session.scribe.undrawn)
        return run
    except BaseException as error:
        if not isinstance(error, Exception):  # somebody wants it to end at once
            session.scribe.pens.give_up()
        with contextlib.suppress(Exception):  # the first thing that went wrong is told
            session.writer.wait()
            session.scribe.settle()
            told.undrawn(session.scribe.undrawn)
        raise


def _folded(session: Session) -> Run[TrainState]:
    experiment, at = session.experiment, session.at
    folds = named(everything(experiment))
    watched = finite(experiment.state())
    stop: Stop | None = experiment.until.fold.extract(at.carry[UNTIL])
    begin, saved = at.place, _Saved(at.place.state.steps, session.clock())
    began = session.clock() - at.place.elapsed
    with contextlib.closing(_events(session.stream)) as events:
        while stop is None:
            try:
                event = next(events)
            except NonFiniteError as error:
                raise _not_finite(session, begin, error.leaf, error.step, error) from error
            if isinstance(event, Advance):
                assert event.state is not None
                here = Place(
                    event.state,
                    event.epoch - 1,
                    event.cursor,
                    event.metrics,
                    session.clock() - began,
                )
                at = attrs.evolve(at, place=here)
                signal = _heard(session)
                last = event.cursor == event.steps
                if signal is not None or (not last and saved.due(at, session)):
                    _sound(session, here.state, begin, watched)
                    saved = _save(session, at)
                if signal is not None:
                    raise _interrupted(session, at, signal)
                continue
            carry = folds.step(at.carry, event)
            stop = experiment.until.fold.extract(carry[UNTIL])
            told.epoch(session.scribe, session.known, event, changed=session.changed)
            _sound(session, event.state, begin, watched)
            begin = Place(event.state, event.index, elapsed=session.clock() - began)
            bare: Epoch[Any] = attrs.evolve(event, state=None)
            at = Position(begin, carry, at.folds, bare, _selected(experiment, carry))
            signal = _heard(session)
            if stop is not None or signal is not None or saved.due(at, session):
                saved = _save(session, at)
            else:
                session.writer.aside(session.scribe.write)
            if stop is None and signal is not None:
                raise _interrupted(session, at, signal)
    _save(session, at)
    assert at.last is not None
    ended: Epoch[Any] = attrs.evolve(at.last, state=at.place.state)
    answers = {name: fold.extract(at.carry[name]) for name, fold in experiment.asked().items()}
    return Run(ended, stop, answers)


def _heard(session: Session) -> int | None:
    """A signal that ends the run; figures have little time left then."""
    signal = session.heard()
    if signal is not None:
        session.scribe.hurry()
    return signal


def _events(stream: Stream) -> Any:
    return stream.events()


@attrs.frozen
class _Saved:
    """When a run was last saved."""

    step: int
    at: float

    def due(self, now: Position, session: Session) -> bool:
        """Whether it shall be saved again, at a cut or at an epoch's end."""
        saving, place = session.saving, now.place
        if saving.seconds is not None and session.clock() - self.at >= saving.seconds:
            return True
        ended = place.cursor == 0
        if saving.epochs is not None and ended and place.completed % saving.epochs == 0:
            return True
        if saving.steps is None:
            return False
        return place.state.steps // saving.steps > self.step // saving.steps


def _save(session: Session, at: Position) -> _Saved:
    mark, place = at.mark, at.place
    about = {"completed": place.completed, "cursor": place.cursor, "step": mark.step}
    best = frozenset(epoch.index for epoch in _epochs(at.selected))
    settle = partial(session.scribe.settle, place.completed)
    session.writer.submit(Job(mark, at.value(), about, best, settle))
    return _Saved(mark.step, session.clock())


def _selected(experiment: Experiment, carry: Mapping[str, Any]) -> Any:
    return None if experiment.select is None else experiment.select.extract(carry[SELECTED])


def _epochs(selected: Any) -> Iterator[Epoch[Any]]:
    parts = selected if isinstance(selected, tuple) else (selected,)
    return (part for part in parts if isinstance(part, Epoch))


def _sound(session: Session, state: TrainState, begin: Place, watched: frozenset[str]) -> None:
    """Refuse to go on with, or to save, a state with NaN or infinity in it.

    Raises:
        NotFinite: it names the leaf and the step.
    """
    leaf = first_bad(state, watched)
    if leaf is None:
        return
    experiment = session.experiment
    first, step = located(experiment.training_step(), begin, experiment.data[TRAIN], watched)
    raise _not_finite(session, begin, first or leaf, step)


def _not_finite(
    session: Session,
    begin: Place,
    leaf: str,
    step: int | None,
    why: NonFiniteError | None = None,
) -> Fault:
    """The fault, which the journal knows of, with the last good checkpoint."""
    session.writer.wait()
    good = max(session.writer.sound, default=None)
    path = None if good is None else session.where.checkpoints / good.name
    fault = NotFinite(leaf, step, good=path, why=why)
    session.scribe.append({"kind": "fault", "epoch": begin.completed + 1, "what": fault.what})
    return fault


def _interrupted(session: Session, at: Position, signal: int) -> Fault:
    session.writer.wait()
    epoch, cursor = at.place.completed + 1, at.place.cursor
    session.scribe.append(
        {"kind": "interrupted", "signal": signal, "epoch": epoch, "cursor": cursor}
    )
    return Interrupted(signal, epoch=epoch, cursor=cursor)
