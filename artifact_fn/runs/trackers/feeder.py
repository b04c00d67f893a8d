"""Feeder: a thread that tells a tracker of a run while it is trained.

It reads the journal as any other reader would. Training knows nothing of it, shares nothing with
it, and never waits for it until it has ended.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from artifact_fn.errors import ArtifactFnError
from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.trackers.contract import Tracker, TrackerError
from artifact_fn.runs.trackers.delivery import Delivery
from artifact_fn.runs.trackers.secrets import redacted

_POLL = 0.2  # seconds between two looks at a journal
_SHORTEST, _LONGEST = 0.25, 30.0  # seconds between two attempts

log = logging.getLogger("artifact_fn.trackers")
"""Says when a tracker goes down and when it is up again, once each."""


def backoff(failures: int) -> float:
    """Seconds until the next attempt, after so many failures in a row.

    Example:
        >>> [backoff(failures) for failures in (1, 2, 3, 10)]
        [0.25, 0.5, 1.0, 30.0]
    """
    return min(_SHORTEST * 2.0 ** min(failures - 1, 10), _LONGEST)


class Feeder:
    """A thread for one tracker of one run.

    Args:
        root: Of the run. It may be begun later.
        tracker: Where it is told.
    """

    def __init__(self, root: Path, tracker: Tracker) -> None:
        self.tracker = tracker
        self.delivery = Delivery(root, tracker, keep=True)
        self._ending, self._left = threading.Event(), threading.Event()
        # A daemon: a process that ends does not wait for a backend that never answers.
        self._thread = threading.Thread(target=self._work, name=f"told {tracker.name}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Say that the journal is complete."""
        self._ending.set()

    def join(self, seconds: float) -> bool:
        """Wait until all is told, or for so long; whatever is left then, is left for later."""
        self._thread.join(max(seconds, 0.0))
        self._left.set()
        return not self._thread.is_alive()

    def _work(self) -> None:
        failures = 0
        while not self._left.is_set():
            ending = self._ending.is_set()  # asked before looking: what comes later is seen
            try:
                moved = self.delivery.step()
                if not moved and ending:
                    self.delivery.close()
            except Exception as cause:
                failures += 1
                self._down(cause, failures)
                if isinstance(cause, Damaged):
                    break
                self.delivery.drop()
                self._pause(backoff(failures))
                continue
            if failures:
                log.warning("tracker %s is up again", self.tracker.name)
            failures = 0
            self._refusals()
            if not moved and ending:
                return
            if not moved:
                self._pause(_POLL)
        self.delivery.drop()
        with contextlib.suppress(Exception):
            self.delivery.close()

    def _pause(self, seconds: float) -> None:
        (self._left if self._ending.is_set() else self._ending).wait(seconds)

    def _down(self, cause: Exception, failures: int) -> None:
        if failures > 1:
            return
        told = f"{type(cause).__name__}: {cause}" if not _own(cause) else str(cause)
        line = redacted(told.strip().split("\n")[0])[:300]
        log.warning("tracker %s is down, and tried again: %s", self.tracker.name, line)

    def _refusals(self) -> None:
        refused = self.delivery.refused
        while refused:
            log.warning("tracker %s refuses %s", self.tracker.name, refused.pop(0))


def _own(cause: Exception) -> bool:
    return isinstance(cause, ArtifactFnError)


def check_trackers(trackers: Sequence[Tracker]) -> None:
    """Refuse what cannot work before training, not in a thread that nobody listens to.

    Raises:
        TrackerError: a package is not installed, or two trackers are one.
    """
    names = [tracker.name for tracker in trackers]
    for i, (tracker, name) in enumerate(zip(trackers, names, strict=True)):
        tracker.check()
        if name in names[:i]:
            raise TrackerError(
                "a run is told once in each place",
                got=f"{name!r} twice",
                do="leave one of them out",
            )


@contextlib.contextmanager
def fed(root: Path, trackers: Sequence[Tracker], linger: float) -> Iterator[None]:
    """Tell trackers of a run while the body runs it.

    Args:
        root: Of the run.
        trackers: Where.
        linger: Seconds that are waited at the end, for all of them together.
    """
    feeders = [Feeder(root, tracker) for tracker in trackers]
    try:
        yield
    finally:
        for feeder in feeders:
            feeder.end()
        until = time.monotonic() + linger
        for feeder in feeders:
            if not feeder.join(until - time.monotonic()):
                log.warning(
                    "tracker %s has not been told all of %s; replay it later",
                    feeder.tracker.name,
                    root,
                )
