"""Scribe: writes epochs down in their order, each when all of its figures are there.

Figures that a plan leaves undrawn are drawn by other processes while training goes on. The epoch
is written down when they are, those after it follow, and a checkpoint waits for the epochs before
it: so whatever a crash leaves, no epoch in the journal lacks its figures, and no checkpoint is
ahead of the journal. What a crash takes is run again, and comes out the same.
"""

import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.pens import ENDED, Drawn, Pens, UndrawnError
from artifact_fn.runs.storage import artifacts
from artifact_fn.runs.storage.journal import Journal, Record

PATIENCE = 3.0
"""Seconds that figures have left when a signal ends the run."""

LISTEN = 0.5
"""Seconds after which it is asked again whether a signal was heard."""

Waiting = concurrent.futures.Future[Drawn]


@attrs.frozen(eq=False)
class Page:
    """An epoch that is to be written down.

    Attributes:
        record: For the journal, without artifacts.
        listed: Each artifact by name: what the journal says of its file, or who draws it.
    """

    record: Record
    listed: dict[str, Any]

    @property
    def drawings(self) -> list[Waiting]:
        """What is being drawn for it."""
        return [
            part for part in self.listed.values() if isinstance(part, concurrent.futures.Future)
        ]


class Scribe:
    """Writes a run's journal.

    Args:
        root: Of the run.
        journal: Open.
        pens: Draw figures that were left undrawn.
        heard: The number of a signal that was heard, or None.

    Attributes:
        undrawn: What could not be drawn, and why: `epoch 5, val/PDF: ValueError: ...`.
    """

    def __init__(
        self, root: Path, journal: Journal, pens: Pens, heard: Callable[[], int | None]
    ) -> None:
        self.root, self.journal, self.pens, self.heard = root, journal, pens, heard
        self.undrawn: list[str] = []
        self._pages: deque[Page] = deque()
        self._writing = threading.Lock()

    def epoch(self, record: Record, found: Mapping[str, Any]) -> None:
        """Take an epoch, with its artifacts, to be written down by `write` or `settle`.

        Raises:
            DataError: an artifact cannot be saved.
            Storage: the disk refuses.
        """
        listed = {
            name: self.pens.draw(value)
            if callable(value)
            else artifacts.save(self.root, name, record["epoch"], value)
            for name, value in found.items()
        }
        self._pages.append(Page(record, listed))

    def write(self) -> None:
        """Write down the epochs whose figures are drawn.

        Raises:
            DataError, Storage: as `epoch`.
        """
        # Whoever is writing pages at this moment writes these in their turn.
        if self._writing.acquire(blocking=False):
            try:
                self._write(wait=False)
            finally:
                self._writing.release()

    def settle(self, through: int | None = None) -> None:
        """Wait until epochs are written down.

        Args:
            through: The last of them; all by default.

        Raises:
            DataError, Storage: as `epoch`.
        """
        with self._writing:
            self._write(wait=True, through=through)

    def append(self, record: Record) -> None:
        """Write something else down, after all epochs.

        Raises:
            DataError, Storage: as `epoch`.
        """
        with self._writing:
            self._write(wait=True)
            self.journal.append([record])

    def hurry(self) -> None:
        """Give figures a last few seconds; what is not drawn by then never is."""
        drawings = [drawing for page in tuple(self._pages) for drawing in page.drawings]
        if concurrent.futures.wait(drawings, timeout=PATIENCE).not_done:
            self.pens.give_up()

    def _write(self, *, wait: bool, through: int | None = None) -> None:
        while self._pages:
            page = self._pages[0]
            if through is not None and page.record["epoch"] > through:
                return
            if not wait and not all(drawing.done() for drawing in page.drawings):
                return
            record, listed, undrawn = page.record, dict[str, Any](), dict[str, str]()
            for name, part in page.listed.items():
                if not isinstance(part, concurrent.futures.Future):
                    listed[name] = part
                    continue
                try:
                    listed |= self._saved(name, record["epoch"], self._drawn(part))
                except concurrent.futures.CancelledError:
                    undrawn[name] = ENDED
                except UndrawnError as error:
                    undrawn[name] = str(error)
            self.undrawn += [f"epoch {record['epoch']}, {n}: {why}" for n, why in undrawn.items()]
            told = {"undrawn": undrawn} if undrawn else {}
            self.journal.append([{**record, "artifacts": listed, **told}])
            self._pages.popleft()

    def _drawn(self, part: Waiting) -> Drawn:
        """What was drawn, once it is; while it is waited for, a signal may be heard."""
        while not part.done():
            if self.heard() is not None:
                self.hurry()
            concurrent.futures.wait([part], timeout=LISTEN)
        return part.result()

    def _saved(self, name: str, epoch: int, drawn: Drawn) -> dict[str, Any]:
        """A lone figure under its name; those of `NAME/*` under `NAME/member`."""
        base = name.removesuffix("/*")
        return {
            key: artifacts.write(self.root, key, epoch, ".png", data)
            for member, data in drawn.items()
            for key in [f"{base}/{member}" if member else base]
        }
