"""Saving: when checkpoints are made, which are kept, and who writes them."""

import concurrent.futures
import os
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.errors import DataError
from artifact_fn.runs.storage import checkpoint, files
from artifact_fn.runs.storage.checkpoint import Mark


@attrs.frozen(kw_only=True)
class Saving:
    """When a run is saved, and how much of that is kept.

    A checkpoint is due when any of the three cadences says so; within an epoch it is made at the
    next cut. The end of a run and an interruption are saved whatever they say.

    Attributes:
        epochs: Every so many epochs; None for never.
        steps: Every so many steps; None for never.
        seconds: Every so many seconds; None for never.
        keep_last: The newest so many are kept, at least 1; 2 survive a damaged file.
        keep_every: The first one of each epoch that is a multiple of this is kept, too.
        keep_best: Whether the ones of the epochs that `select` has chosen are kept, too.
        background: Whether they are written by a thread while training goes on. What it could
            not write is told at the next one, or at the end.

    Raises:
        DataError: a number is below 1 (seconds: not above 0).

    Example:
        >>> Saving(epochs=None, seconds=600.0).keep_last
        2
    """

    epochs: int | None = 1
    steps: int | None = None
    seconds: float | None = None
    keep_last: int = 2
    keep_every: int | None = None
    keep_best: bool = True
    background: bool = True

    def __attrs_post_init__(self) -> None:
        for name in ("epochs", "steps", "keep_last", "keep_every"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or value != int(value) or value < 1):
                raise DataError(
                    f"{name} counts from 1", got=f"{name}={value!r}", do="give 1 or more, or None"
                )
        if self.seconds is not None and not self.seconds > 0:
            raise DataError(
                "a time is positive", got=f"seconds={self.seconds!r}", do="give more than 0"
            )


def dropped(marks: Iterable[Mark], saving: Saving, best: Collection[int] = ()) -> list[Mark]:
    """Which checkpoints are not kept.

    Args:
        marks: Those that are there.
        saving: What to keep.
        best: Epochs that `select` has chosen.

    Example:
        >>> marks = [Mark(epoch, 10 * epoch) for epoch in range(1, 7)]
        >>> [mark.epoch for mark in dropped(marks, Saving(keep_last=1, keep_every=2), best=[3])]
        [1, 5]
    """
    ordered = sorted(marks)
    first: dict[int, Mark] = {}
    for mark in ordered:
        first.setdefault(mark.epoch, mark)
    kept = set(ordered[-saving.keep_last :])
    for epoch, mark in first.items():
        regular = saving.keep_every is not None and epoch > 0 and epoch % saving.keep_every == 0
        if regular or (saving.keep_best and epoch in best):
            kept.add(mark)
    return [mark for mark in ordered if mark not in kept]


@attrs.frozen(eq=False)
class Job:
    """A checkpoint to be written.

    Attributes:
        mark: Which.
        value: What; immutable, so it can be written while training goes on.
        about: For the manifest.
        best: Epochs whose checkpoints are kept.
        settle: Done before it is written: the journal is never behind a checkpoint.
    """

    mark: Mark
    value: Any
    about: dict[str, Any]
    best: frozenset[int]
    settle: Callable[[], None]


class Writer:
    """Writes checkpoints one after the other, in a thread of its own if so wished.

    The thread is one for the whole run: to begin one takes the training thread longer than to
    hand something to one that waits.

    Args:
        root: Of the checkpoints.
        saving: What to keep.
        sound: Checkpoints known to be whole, which need not be written again.

    Attributes:
        sound: Those, and the ones written since.
    """

    def __init__(self, root: Path, saving: Saving, sound: Iterable[Mark] = ()) -> None:
        self.root, self.saving, self.sound = root, saving, set(sound)
        self._running: concurrent.futures.Future[None] | None = None
        self._thread = (
            concurrent.futures.ThreadPoolExecutor(1, "checkpoint") if saving.background else None
        )

    def submit(self, job: Job) -> None:
        """Have a checkpoint written, after the one before it.

        Raises:
            Storage, DataError: of the one before it, or of this one if there is no thread.
        """
        self.wait()
        if job.mark in self.sound:
            return
        self._begin(partial(self._write, job))

    def aside(self, work: Callable[[], None]) -> None:
        """Have something short done without waiting for it; here and now if the thread is busy.

        Raises:
            Storage, DataError: of what was asked for before, or of this one if it is done here.
        """
        if self._running is not None and not self._running.done():
            work()
            return
        self.wait()
        self._begin(work)

    def wait(self) -> None:
        """Wait until nothing is being written.

        Raises:
            Storage, DataError: it could not be.
        """
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """End the thread, when all is written."""
        if self._thread is not None:
            self._thread.shutdown()

    def _begin(self, work: Callable[[], None]) -> None:
        if self._thread is None:
            work()
        else:
            self._running = self._thread.submit(work)

    def _write(self, job: Job) -> None:
        job.settle()
        checkpoint.save(self.root, job.mark, job.value, lenient=("artifacts",), about=job.about)
        self.sound.add(job.mark)
        for mark in dropped(checkpoint.marks(self.root), self.saving, job.best):
            remove(self.root, mark)
            self.sound.discard(mark)


def remove(root: Path, mark: Mark) -> None:
    """Remove a checkpoint; a crash leaves it whole or without its name.

    Raises:
        Storage: the disk refuses.
    """
    aside = root / f"{checkpoint.ASIDE}old-{mark.name}"
    files.discard(aside)
    with files.told(root / mark.name):
        os.rename(root / mark.name, aside)
    checkpoint.drop(aside)
    files.discard(aside)  # and what else somebody has put into it
