"""Together: one run of several processes, led by rank 0.

Rank 0 runs the experiment as it would alone: it holds the directory's lock, writes journal and
checkpoints, asks the folds and hears signals. The others unfold the same stream from the same
place, one event whenever rank 0 asks for one. What is saved is what one process would save, so
a run goes on with any number of them.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
import torch.distributed as dist
from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn import tree
from artifact_fn.errors import ParallelError
from artifact_fn.folds.epoch import Run
from artifact_fn.optim.transform import Optimizer
from artifact_fn.runs.directory import Directory
from artifact_fn.runs.distributed.lost import Elsewhere, Lost, Stalled
from artifact_fn.runs.distributed.processes import Processes
from artifact_fn.runs.faults import Fault, Missing
from artifact_fn.runs.run import LINGER, Show, resume, run
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.signals import DEFAULT
from artifact_fn.runs.storage.journal import Journal
from artifact_fn.runs.storage.lock import locked
from artifact_fn.runs.storage.tensors import dumped
from artifact_fn.runs.storage.values import decode, encode
from artifact_fn.runs.trackers.contract import Tracker
from artifact_fn.training.experiment import Experiment, Place
from artifact_fn.training.parallel import (
    Shards,
    agreeing,
    data_parallel,
    gathered,
    scattered,
)
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import TrainStep, train_step
from artifact_fn.training.stream import Event, Stream

_END, _GO, _BEGIN = range(3)


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
        with processes() as here:
            outcome = together(experiment, "runs/heart", here)
    """
    shared = _shared(experiment, here, optimizer)
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


def _shared(experiment: Experiment, here: Processes, optimizer: Optimizer | None) -> Experiment:
    """The experiment of which this process is one of several."""
    step = experiment.training_step()
    if optimizer is not None:
        if not isinstance(step, TrainStep) or step.name is not None:
            raise ParallelError(
                "one optimizer is put in the place of another",
                got="a step of several, or one that train_step has not made",
                do="leave optimizer out, or share the step of a single optimizer",
            )
        step = train_step(
            step.objective,
            optimizer,
            only=step.only,
            accumulate=step.accumulate,
            clip_rows=step.clip_rows,
        )
    shared = attrs.evolve(
        experiment,
        optimizer=experiment.optimizer if optimizer is None else optimizer,
        step=data_parallel(step, here.mesh),
    )
    if optimizer is not None:
        own, whole = tree.paths(experiment.state()), tree.paths(gathered(shared.state(), here.mesh))
        path = next((p for p in (*own, *whole) if p not in own or p not in whole), None)
        if path is not None:
            raise ParallelError(
                "the optimizer in shards is the experiment's own",
                got=f"{path} in the state of only one of them",
                do="write it anew with sharded(rule, here.mesh) in the place of its rule",
            )
    return shared


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
            _tell(self.here, _BEGIN)
            _send(self.here, start)
        self.heard = False  # until the stream is there: what is wrong with it is told to each
        stream = _unfolded(self.shared, self.here, start, self.agree, clock)
        self.heard = True

        def events() -> Iterator[Event]:
            with contextlib.closing(_opened(stream)) as opened:
                unfolded = _Unfolded(opened, self.here)
                while True:
                    self.heard = False
                    with _explained(self.here):
                        _tell(self.here, _GO)
                    event = unfolded.next()
                    self.heard = True
                    yield event

        return attrs.evolve(stream, events=events)

    def end(self, said: str) -> None:
        """Let the others go, if they still listen."""
        if self.heard and self.here.mesh.size > 1:
            with contextlib.suppress(RuntimeError):
                _tell(self.here, _END)
                _say(self.here, said.encode())


def _followed(shared: Experiment, here: Processes, agree: int) -> IOResult[None, Fault]:
    """Every other rank."""
    try:
        with _explained(here), contextlib.ExitStack() as open_until_the_end:
            unfolded: _Unfolded | None = None
            while (word := _hear(here)) != _END:
                if word == _BEGIN:
                    start = _received(here)
                    stream = _unfolded(shared, here, start, agree, lambda: 0.0)
                    opened = open_until_the_end.enter_context(contextlib.closing(_opened(stream)))
                    unfolded = _Unfolded(opened, here)
                else:
                    assert unfolded is not None
                    unfolded.next()
            said = _heard_bytes(here).decode()
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


def _tell(here: Processes, word: int) -> None:
    if here.mesh.size > 1:
        dist.broadcast(torch.tensor([word]), src=0)


def _hear(here: Processes) -> int:
    word = torch.zeros(1, dtype=torch.int64)
    dist.broadcast(word, src=0)
    return int(word)


def _say(here: Processes, data: bytes) -> None:
    if here.mesh.size > 1:
        _tell(here, len(data))
        if data:
            dist.broadcast(torch.frombuffer(bytearray(data), dtype=torch.uint8), src=0)


def _heard_bytes(here: Processes) -> bytes:
    data = torch.zeros(_hear(here), dtype=torch.uint8)
    if len(data):
        dist.broadcast(data, src=0)
    return data.numpy().tobytes()


def _send(here: Processes, start: Place) -> None:
    """A place, as it would be saved: nothing is pickled."""
    fields = {field.name: getattr(start, field.name) for field in attrs.fields(Place)}
    encoded = encode(fields)
    _say(here, json.dumps(encoded.document, allow_nan=False).encode())
    _say(here, b"".join(bytes(part) for part in dumped(encoded.tensors)))


def _received(here: Processes) -> Place:
    document = json.loads(_heard_bytes(here))
    tensors = safetensors.torch.load(_heard_bytes(here))
    return Place(**decode(document, tensors, device=None if here.device == "cpu" else here.device))
