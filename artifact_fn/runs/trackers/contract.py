"""Contract: what a tracker is told of a run, and what it promises in return.

A tracker is configuration: where a run shall be told of. What it opens is a connection, through
which one run is told in batches. Batches come at least once, in the journal's order; a connection
makes it once: whatever it was told before, it is told in vain.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import attrs

from artifact_fn.errors import ArtifactFnError
from artifact_fn.runs.storage import artifacts

State = Literal["running", "finished", "interrupted", "failed"]
"""Of a run, as its journal says. A killed one says nothing and is `running`."""

Sort = Literal["plot", "array", "file"]
"""Of an artifact: a PNG, arrays in an NPZ, values in JSON."""


class TrackerError(ArtifactFnError):
    """A tracker is misconfigured, or needs a package that is not installed."""


class RefusedError(ArtifactFnError):
    """A backend will never take what it was told; trying again is in vain.

    Example:
        >>> error = RefusedError("a run has a name", got="''", do="rename its directory")
        >>> print(error)
        a run has a name; got ''; rename its directory
    """


@attrs.frozen
class Head:
    """What is told of a run before anything else.

    Attributes:
        id: Of the run, the same wherever its directory is moved.
        name: For people: that of its directory.
        root: The directory.
        began: Seconds since 1970.
        params: What the experiment is made of, text by path.
        tags: On what it was begun: versions, threads, git revision, host, command.

    Example:
        >>> head = Head("5eed", "lines", Path("lines"), began=0.0, params={"seed": "0"}, tags={})
        >>> head.name, head.params["seed"]
        ('lines', '0')
    """

    id: str
    name: str
    root: Path
    began: float
    params: Mapping[str, str] = attrs.field(repr=False)
    tags: Mapping[str, str] = attrs.field(repr=False)


@attrs.frozen
class Scores:
    """The scores of an epoch.

    Attributes:
        epoch: Its index, from 1.
        step: Steps of the run by then; None in journals that do not tell it.
        at: When, in seconds since 1970: the beginning plus the seconds the run has taken, so
            that it is the same each time the journal is read.
        values: By name, `split/NAME`; NaN and infinity are values, too.

    Example:
        >>> Scores(1, 4, at=0.5, values={"val/loss": 0.25}).values["val/loss"]
        0.25
    """

    epoch: int
    step: int | None
    at: float
    values: Mapping[str, float]


@attrs.frozen
class Artifact:
    """An artifact of an epoch, as a file.

    Attributes:
        name: `split/NAME`.
        epoch: As in `Scores`; so are `step` and `at`.
        step: See `epoch`.
        at: See `epoch`.
        root: Of the run.
        listed: Its file, from there, with size and SHA-256.

    Example:
        >>> roc = Artifact("val/ROC", 3, 12, 0.0, Path("run"), {"file": "artifacts/roc.png"})
        >>> roc.sort
        'plot'
    """

    name: str
    epoch: int
    step: int | None
    at: float
    root: Path
    listed: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def path(self) -> Path:
        """Of its file."""
        return self.root / str(self.listed["file"])

    @property
    def sort(self) -> Sort:
        """What it is."""
        sorts: dict[str, Sort] = {".png": "plot", ".npz": "array"}
        return sorts.get(self.path.suffix, "file")

    def content(self) -> bytes:
        """The bytes of its file.

        Raises:
            Damaged: they are not what was written, or there is none.
        """
        return artifacts.content(self.root, self.listed)

    def load(self) -> Any:
        """It, as `Recorded.artifact` answers it: array, mapping of arrays, values, PNG's bytes.

        Raises:
            Damaged: its file is not what was written.
        """
        return artifacts.load(self.root, self.listed)


@attrs.frozen
class Status:
    """How a run goes.

    Attributes:
        state: One of four.
        reason: Why, in words.
        at: Seconds since 1970, by the run's own clock (see `Scores`).

    Example:
        >>> Status("finished", "3 epochs are done", at=9.0).state
        'finished'
    """

    state: State
    reason: str
    at: float


Item = Scores | Artifact | Status
"""One thing that a journal says."""


class Connection(Protocol):
    """A way to tell of one run. It is used by one thread.

    Example:
        >>> class Printed:
        ...     def send(self, items):
        ...         print(*items)
        ...     def close(self): ...
        >>> Printed().send([Status("finished", "3 epochs are done", at=9.0)])
        Status(state='finished', reason='3 epochs are done', at=9.0)
    """

    def send(self, items: Sequence[Item]) -> None:
        """Tell some items; when this returns, the backend has them for good.

        Raises:
            RefusedError, Damaged: it will never take them, or an artifact is not what it was.
            Exception: anything else means not now. The connection is closed, and another one is told
                them again, from the first.
        """

    def close(self) -> None:
        """Let go. What was told stays told."""


class Tracker(Protocol):
    """Where runs are told of. Configuration only; nothing is open until a run is.

    Example:
        >>> from artifact_fn.runs.trackers.memory import Memory
        >>> tracker: Tracker = Memory()
        >>> tracker.check()
        >>> connection = tracker.open(Head("5eed", "lines", Path("runs/lines"), 0.0, {}, {}))
        >>> connection.send([Scores(1, 4, 0.5, {"val/loss": 0.25})])
    """

    @property
    def name(self) -> str:
        """Of the backend and the place; how far a run was told is remembered by it."""

    def check(self) -> None:
        """Import what is needed, before training begins.

        Raises:
            TrackerError: it is not installed; says which extra to install.
        """

    def open(self, head: Head) -> Connection:
        """A connection for a run, which is found again if it was told of before.

        Raises:
            Exception: not now.
        """
