"""Opened: a session, with all that it holds open while it goes on."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from artifact_fn.runs.directory import Directory
from artifact_fn.runs.pens import Pens
from artifact_fn.runs.position import Position
from artifact_fn.runs.saving import Saving, Writer
from artifact_fn.runs.scribe import Scribe
from artifact_fn.runs.session import Session
from artifact_fn.runs.signals import listening
from artifact_fn.runs.storage import checkpoint
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.runs.storage.journal import Journal
from artifact_fn.training.experiment import Experiment
from artifact_fn.training.stream import Stream


@contextlib.contextmanager
def opened(
    experiment: Experiment,
    where: Directory,
    stream: Stream,
    start: Position,
    saving: Saving | None,
    signals: Sequence[int],
    clock: Callable[[], float],
    pens: int,
    mark: Mark | None = None,
    changed: bool = False,
) -> Iterator[Session]:
    """A session in a directory whose lock this process holds.

    Args:
        experiment: What is run.
        where: The directory.
        stream: From `start` on.
        start: Where the run is.
        saving: As in `run`.
        signals: As in `run`.
        clock: As in `run`.
        pens: As in `run`.
        mark: Of the checkpoint that `start` is, if any.
        changed: Whether epochs may come out otherwise than the journal says.

    Raises:
        Damaged, Storage: of the journal.
    """
    when = saving or Saving()
    with listening(signals) as heard, contextlib.ExitStack() as held:
        journal = Journal(where.journal)
        held.callback(journal.close)
        scribe = Scribe(where.root, journal, Pens(pens), heard)
        held.callback(scribe.pens.close)
        writer = Writer(where.checkpoints, when, [] if mark is None else [mark])
        held.callback(writer.close)
        checkpoint.clean(where.checkpoints)
        if any(routine.deferred for routine in experiment.routines):
            scribe.pens.ready()
        yield Session(
            experiment=experiment,
            where=where,
            stream=stream,
            at=start,
            scribe=scribe,
            known={r["epoch"]: r for r in journal.records if r["kind"] == "epoch"},
            writer=writer,
            saving=when,
            heard=heard,
            clock=clock,
            changed=changed,
        )
