"""Together: one run of several processes, led by rank 0.

Rank 0 runs the experiment as it would alone: it holds the directory's lock, writes journal and
checkpoints, asks the folds and hears signals. The others unfold the same stream from the same
place, one event whenever rank 0 asks for one. What is saved is what one process would save, so
a run goes on with any number of them.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn import tree
from artifact_fn.folds.epoch import Run
from artifact_fn.optim.transform import Optimizer
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.distributed.lost import Elsewhere, Lost, Stalled
from artifact_fn.runs.distributed.processes import Processes
from artifact_fn.runs.distributed.shared import shared_experiment
from artifact_fn.runs.distributed.words import (
    BEGIN,
    END,
    GO,
    hear,
    heard_bytes,
    received,
    say,
    send,
    tell,
)
from artifact_fn.runs.faults import Fault, Missing
from artifact_fn.runs.run import LINGER, Show, resume, run
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.signals import DEFAULT
from artifact_fn.runs.storage.journal import Journal
from artifact_fn.runs.storage.lock import locked
from artifact_fn.runs.trackers.contract import Tracker
from artifact_fn.training.experiment import Experiment, Place
from artifact_fn.training.parallel import (
    Shards,
    agreeing,
    gathered,
    scattered,
)
from artifact_fn.training.state import TrainState
from artifact_fn.training.stream import Event, Stream


def together(
    experiment: Experiment,
    directory: str | Path,
    here: Processes,
    *,
    optimizer: Optimizer | None = None,
    agree: int = 1,
    allow: Collection[str] = (),
    saving: Saving | None = None,
    show: Show = lambda stream: stream,
    signals: Sequence[int] = DEFAULT,
    trackers: Sequence[Tracker] = (),
    linger: float = LINGER,
) -> IOResult[Run[TrainState] | None, Fault]:
    """Begin a run in a directory, or go on with it, by all processes together.

    Args:
        experiment: As for one process; each process is given the same. A model that shall be
            `synchronised` is.
        directory: Of the run; only rank 0 touches it.
        here: Of `processes()`.
        optimizer: The experiment's own, with `sharded` around its rule; where it is not given,
            every process holds all of its state. It is joined at every cut, where it may be saved.
        agree: Every so many epochs states are compared (see `agreeing`).
        allow: As in `resume`.
        saving: As in `run`.
        show: As in `run`; in rank 0.
        signals: Those that end the run at its next cut, when rank 0 hears them.
        trackers: As in `run`; told by rank 0.
        linger: As in `run`.

    Returns:
        The run in rank 0, None in the others; or the fault: in rank 0 that of `run` or `resume`,
        or `Lost` or `Stalled` if another process has gone; in the others these two, or `Elsewhere`.

    Raises:
        ArtifactFnError: the experiment itself is at fault.
        ParallelError: its step cannot be shared, or the processes no longer agree.

    Example:
        >>> import tempfile
        >>> from artifact_fn.runs.distributed import processes
        >>> from artifact_fn.testing import small_experiment
        >>> with processes() as here:
        ...     outcome = together(small_experiment(), tempfile.mkdtemp() + "/run", here)
        >>> outcome.map(lambda run: run.last.index)
        <IOResult: <Success: 2>>
    """
    shared = shared_experiment(experiment, here, optimizer)
    if here.mesh.rank > 0:
        return _followed(shared, here, agree)
    leader = _Leader(shared, here, agree)
    options: dict[str, Any] = {
        "saving": saving,
        "show": show,
        "signals": signals,
        "trackers": trackers,
        "linger": linger,
        "unfold": leader.unfold,
    }
    said = "it was ended by an exception"
    try:
        outcome = resume(experiment, directory, allow=allow, **options).lash(
            lambda fault: (
                run(experiment, directory, **options)
                if isinstance(fault, Missing)
                else IOFailure(fault)
            )
        )
        said = ""
        outcome.alt(lambda fault: _note(leader, fault, Directory(Path(directory).absolute())))
        said = leader.said
        return outcome
    finally:
        leader.end(said)


def _note(leader: "_Leader", fault: Fault, where: Directory) -> None:
    """What the others are told; and in the journal, that a process has gone."""
    leader.said = str(fault)
    if isinstance(fault, Lost | Stalled):
        with contextlib.suppress(Fault), locked(where.root):
            journal = Journal(where.journal)
            journal.append([{"kind": "fault", "step": fault.step, "what": str(fault)}])
            journal.close()


@attrs.frozen(eq=False)
class _Unfolded:
    """The stream of one process, an event at a time."""

    events: Iterator[Event]
    here: Processes

    def next(self) -> Event:
        """The next event, its state whole.

        Raises:
            Lost, Stalled: another process has gone.
        """
        with _explained(self.here):
            event = next(self.events)
            state = event.state
            assert state is not None
            self.here.at(int(state.step))
            if not tree.records(state.opt_state, Shards):
                return event
            whole: Event = attrs.evolve(event, state=gathered(state, self.here.mesh))
            return whole


def _unfolded(shared: Experiment, here: Processes, start: Place, agree: int, clock: Any) -> Stream:
    """The stream from a place whose state is whole."""
    state = scattered(start.state, shared.state(), here.mesh)
    with _explained(here):
        stream = shared.stream(attrs.evolve(start, state=state), clock=clock)
    return agreeing(here.mesh, every=agree)(stream)


class _Leader:
    """Rank 0: says to the others where to begin, when to go on, and when it is over."""

    def __init__(self, shared: Experiment, here: Processes, agree: int) -> None:
        self.shared, self.here, self.agree = shared, here, agree
        self.said, self.heard = "", True

    def unfold(self, experiment: Experiment, start: Place, clock: Callable[[], float]) -> Stream:
        """The stream that all of them make, as rank 0 reads it."""
        with _explained(self.here):
            tell(self.here, BEGIN)
            send(self.here, start)
        self.heard = False  # until the stream is there: what is wrong with it is told to each
        stream = _unfolded(self.shared, self.here, start, self.agree, clock)
        self.heard = True

        def events() -> Iterator[Event]:
            with contextlib.closing(_opened(stream)) as opened:
                unfolded = _Unfolded(opened, self.here)
                while True:
                    self.heard = False
                    with _explained(self.here):
                        tell(self.here, GO)
                    event = unfolded.next()
                    self.heard = True
                    yield event

        return attrs.evolve(stream, events=events)

    def end(self, said: str) -> None:
        """Let the others go, if they still listen."""
        if self.heard and self.here.mesh.size > 1:
            with contextlib.suppress(RuntimeError):
                tell(self.here, END)
                say(self.here, said.encode())


def _followed(shared: Experiment, here: Processes, agree: int) -> IOResult[None, Fault]:
    """Every other rank."""
    try:
        with _explained(here), contextlib.ExitStack() as open_until_the_end:
            unfolded: _Unfolded | None = None
            while (word := hear(here)) != END:
                if word == BEGIN:
                    start = received(here)
                    stream = _unfolded(shared, here, start, agree, lambda: 0.0)
                    opened = open_until_the_end.enter_context(contextlib.closing(_opened(stream)))
                    unfolded = _Unfolded(opened, here)
                else:
                    assert unfolded is not None
                    unfolded.next()
            said = heard_bytes(here).decode()
    except Fault as fault:
        return IOFailure(fault)
    return IOFailure(Elsewhere(said)) if said else IOSuccess(None)


def _opened(stream: Stream) -> Any:
    return stream.events()


@contextlib.contextmanager
def _explained(here: Processes) -> Iterator[None]:
    """Turn a message that failed into the fault of whoever it failed by."""
    try:
        yield
    except RuntimeError as cause:
        fault = here.why()
        if fault is None:
            raise
        raise fault from cause
