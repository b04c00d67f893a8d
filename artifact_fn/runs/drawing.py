"""Drawing: figures written to disk by another process while training goes on.

A figure is drawn from values, and the values of an epoch never change, so nothing is copied or waited
for: the other process draws them one after another, in the order in which they came.
"""

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar
from urllib.parse import quote

import attrs

from artifact_fn.errors import ValidationError
from artifact_fn.extras import extra
from artifact_fn.folds.epoch import Epoch

with extra("validation", "matplotlib"):
    from matplotlib.figure import Figure

Drawable: TypeAlias = (
    Figure | Mapping[str, Figure] | Callable[[], Figure] | Callable[[], Mapping[str, Figure]]
)
"""A figure or several by name, or what makes them when it is called."""

S = TypeVar("S")


MOST = 32
"""Figures that may wait; their values are held until they are drawn."""


def _process() -> ProcessPoolExecutor:
    # Not forked: torch's threads would not survive it.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@attrs.frozen
class Fault:
    """A figure that could not be drawn.

    Attributes:
        name: Of the figure.
        reason: The exception, in one line.
    """

    name: str
    reason: str


@attrs.frozen(eq=False)
class Waiting:
    """A figure on its way.

    Attributes:
        name: Of the figure.
        drawable: What was given.
        done: Of the other process.
    """

    name: str
    drawable: Drawable
    done: "Future[None]"


@attrs.define(eq=False)
class Drawing:
    """What is being drawn. Made by `drawing`.

    Attributes:
        directory: Where figures go: `name.png`, or `name/member.png`.
        dpi: Of the files.
        faults: What could not be drawn, in order; complete when the block has been left.
    """

    directory: Path
    dpi: int
    faults: list[Fault] = attrs.field(factory=list)
    _waiting: deque[Waiting] = attrs.field(factory=deque)
    _pool: ProcessPoolExecutor | None = attrs.field(factory=_process)

    def draw(self, name: str, drawable: Drawable) -> None:
        """Have something drawn.

        Returns at once, unless 32 figures are waiting already. Whatever goes wrong over there is a fault of
        this figure alone; a process that dies of it is replaced.

        Args:
            name: Of its file, `/` for directories; characters that a file system may not take are
                percent-encoded, so that different names have different files.
            drawable: Made of module-level functions and values, so that it can be sent.

        Raises:
            ValidationError: the block has been left.
        """
        if self._pool is None:
            raise ValidationError(
                "figures are drawn inside `with drawing(...)`",
                got=f"{name!r} after it was left",
                do="draw it before, or call savefig",
            )
        while len(self._waiting) >= MOST:
            self._settle()
        self._submit(name, drawable)

    def _submit(self, name: str, drawable: Drawable) -> None:
        try:
            done = self._sent(name, drawable)
        except BrokenProcessPool as error:
            if self._waiting:
                # One of those before it did this; it is sent again when that one is settled.
                done = Future()
                done.set_exception(error)
            else:
                self._replace()
                done = self._sent(name, drawable)
        self._waiting.append(Waiting(name, drawable, done))

    def _sent(self, name: str, drawable: Drawable) -> "Future[None]":
        assert self._pool is not None
        return self._pool.submit(_drawn, drawable, self.directory / path_of(name), self.dpi)

    def _settle(self) -> None:
        """Wait for the oldest one."""
        oldest = self._waiting.popleft()
        error = oldest.done.exception()
        if error is not None:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            self.faults.append(Fault(oldest.name, reason))
        if isinstance(error, BrokenProcessPool):
            # One process draws in order, so it was this one; the others had no chance.
            others = list(self._waiting)
            self._waiting.clear()
            self._replace()
            for other in others:
                self._submit(other.name, other.drawable)

    def _replace(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self._pool = _process()

    def _give_up(self) -> None:
        for figure in self._waiting:
            figure.done.cancel()
        self._waiting.clear()

    def _finish(self) -> None:
        while self._waiting:
            self._settle()
        if self._pool is not None:
            self._pool.shutdown()
        self._pool = None


@contextmanager
def drawing(directory: Path | str, *, dpi: int = 120) -> Iterator[Drawing]:
    """Draw figures in another process; leaving the block waits for those that are still to be drawn.

    The process is a fresh one that imports the program, so a script needs its
    `if __name__ == "__main__":`.

    Args:
        directory: Where figures go.
        dpi: Of the files.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as directory:
        ...     with drawing(directory) as figures:
        ...         figures.draw("loss", Figure())
        ...     figures.faults, [path.name for path in Path(directory).iterdir()]
        ([], ['loss.png'])
    """
    held = Drawing(Path(directory), dpi)
    try:
        yield held
    except BaseException:
        held._give_up()
        raise
    finally:
        held._finish()


def drawn(stream: Iterable[Epoch[S]], figures: Drawing) -> Iterator[Epoch[S]]:
    """The same stream; the figures among an epoch's artifacts are drawn as `epoch_7/val/ROC_CURVE.png`.

    Figures that a plan with `deferred=True` left undrawn are made over there, too.
    """
    for epoch in stream:
        for name, value in epoch.artifacts.items():
            if isinstance(value, Figure) or callable(value):
                figures.draw(f"epoch_{epoch.index}/{name.removesuffix('/*')}", value)
        yield epoch


def path_of(name: str) -> Path:
    """A relative path for a name, another one for every name.

    Example:
        >>> path_of("epoch_1/val/PDF/x: y").as_posix()
        'epoch_1/val/PDF/x%3A y'
    """
    return Path(*(_part(part) for part in name.split("/")))


def _part(text: str) -> str:
    safe = quote(text, safe=" ()[]=+,")
    safe = safe.replace(".", "%2E") if not safe.strip(".") else safe
    if 0 < len(safe) <= 150:
        return safe
    return f"{safe[:100]}%{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _drawn(drawable: Drawable, path: Path, dpi: int) -> None:
    """In the other process."""
    made = drawable() if callable(drawable) else drawable
    parts = (
        {path / _part(name): f for name, f in made.items()}
        if isinstance(made, Mapping)
        else {path: made}
    )
    for at, figure in parts.items():
        at.parent.mkdir(parents=True, exist_ok=True)
        # Not with_suffix: a name may hold a point.
        figure.savefig(at.parent / f"{at.name}.png", dpi=dpi)
