"""Replay: any run told to any tracker, afterwards, on another machine."""

import time
from pathlib import Path

from returns.io import IOFailure, IOResult, IOSuccess

from artifact_fn.runs.faults import Fault
from artifact_fn.runs.trackers.contract import Tracker
from artifact_fn.runs.trackers.delivery import Delivery
from artifact_fn.runs.trackers.feeder import backoff
from artifact_fn.runs.trackers.secrets import redacted


class Undelivered(Fault):
    """A tracker could not be told all of a run.

    Attributes:
        told: Records that it was told.
    """

    def __init__(self, tracker: str, told: int, got: str) -> None:
        super().__init__(
            f"{tracker} could not be told all of the run, but {told} records",
            got=got,
            do="look at the backend and replay again: what was told is not told twice",
        )
        self.told = told


def replay(
    directory: str | Path, tracker: Tracker, *, patience: float = 60.0
) -> IOResult[int, Fault]:
    """Tell a tracker of a run from its beginning. Twice equals once.

    The directory is not written to. It may be that of a run that is going on.

    Args:
        directory: Of the run, or a copy.
        tracker: Where it is told.
        patience: Seconds for which a backend that does not answer is tried again.

    Returns:
        Records of the journal that were told; or the fault: `Missing`, `Damaged`, `Storage`, or
        `Undelivered`, also if the backend refused a part for good.

    Raises:
        TrackerError: the tracker is misconfigured, or its package is not installed.

    Example:
        >>> import tempfile
        >>> from artifact_fn.runs.run import run
        >>> from artifact_fn.runs.trackers import FileSystem
        >>> from artifact_fn.testing import small_experiment
        >>> root = tempfile.mkdtemp()
        >>> outcome = run(small_experiment(), root + "/run")
        >>> replay(root + "/run", FileSystem(root + "/told"))
        <IOResult: <Success: ...>>
    """
    tracker.check()
    delivery = Delivery(Path(directory).absolute(), tracker, keep=False)
    try:
        return IOSuccess(_told(delivery, patience))
    except Fault as fault:
        return IOFailure(fault)


def _told(delivery: Delivery, patience: float) -> int:
    until, failures, refused = time.monotonic() + patience, 0, []
    try:
        while True:
            try:
                moved = delivery.step()
                refused += delivery.refused
                delivery.refused.clear()
                if not moved:
                    break
                failures = 0
            except Fault:
                raise
            except Exception as cause:
                delivery.drop()
                failures += 1
                pause = backoff(failures)
                if time.monotonic() + pause > until:
                    got = redacted(f"{type(cause).__name__}: {cause}")
                    raise Undelivered(delivery.tracker.name, delivery.told, got) from cause
                time.sleep(pause)
        told = delivery.told
        delivery.close()
        if refused:
            raise Undelivered(delivery.tracker.name, told, f"refusals: {'; '.join(refused[:3])}")
        return told
    finally:
        delivery.drop()
