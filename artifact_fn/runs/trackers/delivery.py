"""Delivery: a journal told to a tracker, a batch at a time."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.directory import Directory
from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.lock import locked
from artifact_fn.runs.storage.names import safe
from artifact_fn.runs.trackers import cursor as cursors
from artifact_fn.runs.trackers.contract import (
    Connection,
    Head,
    Item,
    RefusedError,
    Tracker,
)
from artifact_fn.runs.trackers.cursor import Cursor, following
from artifact_fn.runs.trackers.secrets import redacted
from artifact_fn.runs.trackers.told import head_of, items_of

BATCH = 64
"""Records that are told at once, at most."""


class Delivery:
    """What is told, and how far it has come. Used by one thread.

    Args:
        root: Of the run.
        tracker: Where it is told.
        keep: Whether how far it has come is kept in the run's directory, under
            `trackers/<name>/`, with a lock; else the directory is not written to.

    Attributes:
        told: Records that were acknowledged.
        refused: Items that the backend will never take, each with the reason.
    """

    def __init__(self, root: Path, tracker: Tracker, *, keep: bool) -> None:
        self.root, self.tracker, self.keep = root, tracker, keep
        self.place = root / "trackers" / safe(tracker.name)
        self.refused: list[str] = []
        self._held = contextlib.ExitStack()
        self._connection: Connection | None = None
        self._head: Head | None = None
        self._cursor: Cursor | None = None

    @property
    def told(self) -> int:
        """Records that were acknowledged."""
        return 0 if self._cursor is None else self._cursor.records

    def step(self) -> bool:
        """Tell the next batch; False if there was nothing left to tell.

        Raises:
            Exception: not now; whatever was not acknowledged is told again by the next step.
        """
        if self._cursor is None:
            self._cursor = self._begun()
        if self._connection is None:
            self._head = head_of(self.root)
            self._connection = self.tracker.open(self._head)
        assert self._head is not None
        records, after = following(Directory(self.root).journal, self._cursor, BATCH)
        if not records:
            return False
        items: list[Item] = []
        clock = self._cursor.clock if after.records > len(records) else Cursor().clock
        for record in records:
            found, clock = items_of(self._head, record, clock)
            items += found
        self._send(items)
        after = attrs.evolve(after, clock=clock)
        if self.keep:
            cursors.save(self.place / "cursor.json", after)
        self._cursor = after
        return True

    def drop(self) -> None:
        """Let go of the connection; the next step opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is gone already, most likely
                connection.close()

    def close(self) -> None:
        """Let go of everything.

        Raises:
            Exception: the connection could not be closed properly.
        """
        try:
            if self._connection is not None:
                self._connection.close()
        finally:
            self._connection = None
            self._cursor = None
            self._held.close()

    def _begun(self) -> Cursor:
        if not self.keep:
            return Cursor()
        files.make(self.place)
        self._held.enter_context(locked(self.place))
        return cursors.load(self.place / "cursor.json")

    def _send(self, items: Sequence[Item]) -> None:
        """Send items; if they are refused, each by itself, so that one does not spoil the rest."""
        assert self._connection is not None
        try:
            self._connection.send(items)
        except (RefusedError, Damaged) as cause:
            if len(items) > 1:
                half = len(items) // 2
                self._send(items[:half])
                self._send(items[half:])
                return
            self._note(items[0], redacted(str(cause)))

    def _note(self, item: Item, why: str) -> None:
        about: dict[str, Any] = {"item": redacted(repr(item)), "why": why}
        self.refused.append(f"{about['item']}: {why}")
        if self.keep:
            with files.told(self.place), (self.place / "refused.jsonl").open("a") as file:
                file.write(json.dumps(about) + "\n")
