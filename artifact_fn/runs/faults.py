"""Faults: what can happen to a run, as typed values.

A fault is what `run`, `resume` and `load_run` answer in a failed `IOResult`. It is an exception
too, so `raise fault` works where a program has nothing better to do. Mistakes in an experiment
are not faults: they are raised when it is made or tried, before anything is written.
"""

import signal as signals
from pathlib import Path

from artifact_fn.errors import ArtifactFnError, NonFiniteError
from artifact_fn.runs.description import field_of


class Fault(ArtifactFnError):  # noqa: N818 - what happens to a run is no error of anybody's
    """Any of the faults below.

    Example:
        >>> fault: Fault = Missing(Path("runs/first"))
        >>> fault.got, fault.do
        ('no experiment.json in it', 'begin one with run(experiment, ...)')
    """


class Missing(Fault):
    """There is no run in the directory.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path, *, got: str = "no experiment.json in it") -> None:
        super().__init__(f"{path} holds no run", got=got, do="begin one with run(experiment, ...)")
        self.path = path


class Occupied(Fault):
    """There is a run in the directory already.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds a run already",
            got="its experiment.json",
            do="take it up with resume(experiment, ...), or name another directory",
        )
        self.path = path


class Locked(Fault):
    """Another process is running in the directory.

    Attributes:
        path: The directory.
        holder: Who, as it said itself: `pid 17 on host since ...`.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            f"{path} is in use by another process",
            got=holder,
            do="wait for it to end, or name another directory",
        )
        self.path, self.holder = path, holder


class Damaged(Fault):
    """A file is not what was written.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, got: str, *, do: str = "restore it from a copy") -> None:
        super().__init__(f"{path} is damaged", got=got, do=do)
        self.path = path


class Storage(Fault):
    """The disk has refused: it is full, read-only, failing, or out of file handles.

    Attributes:
        path: The file or directory.
        errno: Of the system's error, e.g. `errno.ENOSPC`; 0 where it gave none.
    """

    def __init__(self, path: Path, cause: OSError, *, free: int | None = None) -> None:
        room = "" if free is None else f" ({free:,} bytes are free)"
        super().__init__(
            f"{path} could not be written or read",
            got=f"{cause.strerror or cause}{room}",
            do="mend that and call resume: earlier checkpoints are as they were",
        )
        self.path, self.errno = path, cause.errno or 0


class Changed(Fault):
    """The experiment is not the one the run was begun with.

    Attributes:
        differences: What differs, by path: (then, now); None where there was or is nothing.
        fields: Of the experiment, in which something differs.
    """

    def __init__(self, differences: dict[str, tuple[str | None, str | None]]) -> None:
        told = [f"{path}: {then} then, {now} now" for path, (then, now) in differences.items()]
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        fields = sorted({field_of(path) for path in differences})
        super().__init__(
            "the experiment has changed since the run was begun",
            got="; ".join(told[:3]) + more,
            do=f"change it back, or accept it by name: allow={set(fields)!r}",
        )
        self.differences, self.fields = differences, frozenset(fields)


class NotFinite(Fault):
    """A number of the state has become NaN or infinite, or gradients were for too long.

    Attributes:
        leaf: Path of the first bad leaf in the state, or of the parameter with such a gradient.
        step: After how many steps of the run, or None where it was not to be found again.
        good: The last good checkpoint, or None.
    """

    def __init__(
        self, leaf: str, step: int | None, *, good: Path | None, why: NonFiniteError | None = None
    ) -> None:
        when = "an unknown step" if step is None else f"step {step}"
        super().__init__(
            f"{leaf} has become NaN or infinite" if why is None else why.what,
            got=f"its first such value at {when}" if why is None else why.got,
            do=f"lower the rate or clip gradients; the last good checkpoint is {good or 'none yet'}",
        )
        self.leaf, self.step, self.good = leaf, step, good


class Interrupted(Fault):
    """A signal has ended the run at a cut, where it was saved.

    Attributes:
        signal: Its number.
        exit_code: What a process says that it was ended so, 128 + signal.
    """

    def __init__(self, signal: int, *, epoch: int, cursor: int) -> None:
        super().__init__(
            f"the run was interrupted by {signals.Signals(signal).name}",
            got=f"epoch {epoch}, {cursor} batches into it, which is saved",
            do="call resume to go on from there",
        )
        self.signal, self.exit_code = signal, 128 + signal
        self.epoch, self.cursor = epoch, cursor
