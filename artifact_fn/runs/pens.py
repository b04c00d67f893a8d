"""Pens: processes that draw figures while training goes on."""

import contextlib
import gc
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from artifact_fn.errors import ValidationError
from artifact_fn.runs.storage.artifacts import rendered

Drawable = Callable[[], Any]
"""Answers a figure, or figures by name; made of module-level functions and values."""

Drawn = dict[str, bytes]
"""The bytes of each PNG by member; a figure alone is under the empty name."""

MOST = 32
"""Figures that may wait; their values are held until they are drawn."""


ENDED = "the run was ended before"
"""Why something that was given up was not drawn."""


class UndrawnError(Exception):
    """A figure was not drawn; says why in one line."""


class Pens:
    """Processes that draw what they are sent, each one figure at a time.

    They are fresh processes that import the program, so a script needs its
    `if __name__ == "__main__":`. None is begun before there is something to draw, or `ready` is
    called.

    Args:
        count: How many, at least 1.

    Example:
        >>> from functools import partial
        >>> from matplotlib.figure import Figure
        >>> pens = Pens(1)
        >>> [*pens.draw(partial(Figure, (1, 1))).result()]
        ['']
        >>> pens.close()
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: queue.SimpleQueue[tuple[Drawable, Future[Drawn]] | None] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(MOST)
        self._threads: list[threading.Thread] = []
        self._processes: set[Any] = set()
        self._waiting: set[Future[Drawn]] = set()
        self._given_up = False

    def ready(self) -> None:
        """Begin all of them now: they import the program while nothing is to be drawn yet."""
        while len(self._threads) < self._count:
            self._begin()

    def draw(self, drawable: Drawable) -> "Future[Drawn]":
        """Have something drawn. Returns at once, unless 32 figures are waiting already.

        What goes wrong, over there or on the way, is an `UndrawnError` in the future.
        """
        done: Future[Drawn] = Future()
        self._room.acquire()
        self._waiting.add(done)
        done.add_done_callback(self._settled)
        self._tasks.put((drawable, done))
        if len(self._threads) < self._count:
            self._begin()
        return done

    def give_up(self) -> None:
        """Leave everything undrawn that is not drawn yet, at once."""
        self._given_up = True
        for done in tuple(self._waiting):
            done.cancel()
        for process in tuple(self._processes):
            process.kill()

    def close(self) -> None:
        """Wait until everything is drawn, and end the processes."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _begin(self) -> None:
        self._threads.append(threading.Thread(target=self._draw_on, daemon=True, name="pen"))
        self._threads[-1].start()

    def _settled(self, done: "Future[Drawn]") -> None:
        self._waiting.discard(done)
        self._room.release()

    def _draw_on(self) -> None:
        """In a thread of this process: hand one figure after another to a process."""
        with contextlib.ExitStack() as stack:
            held: Connection | None = None
            with contextlib.suppress(Exception):  # tried again, and told, with the first figure
                held = stack.enter_context(self._process())
            while (task := self._tasks.get()) is not None:
                drawable, done = task
                if self._given_up or not done.set_running_or_notify_cancel():
                    done.cancel()
                    continue
                try:
                    held = held or stack.enter_context(self._process())
                    held.send(drawable)
                    answer = held.recv()
                except (EOFError, OSError):
                    stack.close()
                    held, answer = None, ENDED if self._given_up else "its process has died"
                except Exception as error:  # it cannot be sent
                    answer = _line(error)
                if isinstance(answer, str):
                    done.set_exception(UndrawnError(answer))
                else:
                    done.set_result(answer)

    @contextlib.contextmanager
    def _process(self) -> Any:
        # Not forked: torch's threads would not survive it.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_drawing, args=(theirs,), daemon=True, name="pen")
        process.start()
        theirs.close()
        self._processes.add(process)
        if self._given_up:
            process.kill()
        try:
            yield ours
        finally:
            ours.close()
            process.kill()  # it has answered, or is still importing what nobody needs any more
            process.join()
            self._processes.discard(process)


def _drawing(asked: Connection) -> None:
    """In the other process: draw what comes, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks decides when to end
    gc.freeze()  # what was imported is no garbage
    gc.disable()  # nor is much of a figure before it is drawn; then garbage is collected
    with contextlib.suppress(EOFError, OSError):
        while True:
            try:
                drawable = asked.recv()
            except (EOFError, OSError):
                return
            except Exception as error:  # of a class that cannot be imported here
                asked.send(_line(error))
                continue
            try:
                answer: Any = _rendered(drawable())
            except Exception as error:
                answer = _line(error)
            asked.send(answer)
            del drawable, answer
            gc.collect()


def _rendered(made: Any) -> Drawn:
    parts = made if isinstance(made, Mapping) else {"": made}
    drawn = {member: rendered(member, part) for member, part in parts.items()}
    for suffix, _ in drawn.values():
        if suffix != ".png":
            raise ValidationError(
                "what is left undrawn is a figure",
                got=f"what would be saved as {suffix}",
                do="give arrays and values to a plan as such",
            )
    return {member: data for member, (_, data) in drawn.items()}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
