"""Cursor: how far a journal was read by a tracker, kept on disk."""

import os
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.storage import files, journal
from artifact_fn.runs.storage.journal import Record
from artifact_fn.runs.storage.sealed import FIRST, BrokenError, seal, unseal
from artifact_fn.runs.trackers.told import Clock


@attrs.frozen
class Cursor:
    """A place between two records.

    Attributes:
        size: Bytes of the journal before it.
        check: Of the record before it.
        records: Before it.
        clock: Where the run was by then.
    """

    size: int = 0
    check: str = FIRST
    records: int = 0
    clock: Clock = attrs.field(factory=Clock)


def load(path: Path) -> Cursor:
    """A cursor from its file; the beginning, if there is none or it is damaged.

    To begin again costs time and nothing else, since what is told twice is told once.
    """
    if not path.exists():
        return Cursor()
    try:
        found, _ = unseal(files.read(path))
        return Cursor(**{**found, "clock": Clock(**found["clock"])})
    except (BrokenError, TypeError, KeyError):
        return Cursor()


def save(path: Path, cursor: Cursor) -> None:
    """Put it on disk.

    Raises:
        Storage: the disk refuses.
    """
    record: dict[str, Any] = attrs.asdict(cursor)
    files.replace(path, seal(record)[0])


def following(path: Path, cursor: Cursor, limit: int) -> tuple[list[Record], Cursor]:
    """Up to `limit` records after a cursor, and the cursor after them; none if there are none.

    A last line that is not finished is not there yet. A journal that is not the one the cursor
    was in (a record was taken back, because the disk refused it) is read from its beginning.

    Raises:
        Damaged: a record has been changed.
        Storage: the disk refuses.
    """
    if not path.exists():
        return [], cursor
    records: list[Record] = []
    check, size = cursor.check, cursor.size
    with files.told(path):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            astray = os.fstat(handle).st_size < size
            file.seek(size)
            while not astray and len(records) < limit:
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                try:
                    record, check = unseal(line, check)
                except BrokenError:
                    astray = True
                    break
                records.append(record)
                size += len(line)
    if astray and not records:
        whole = journal.read(path)  # if a record is damaged, this says which
        unfinished = (whole.size, whole.check) == (cursor.size, cursor.check)
        return ([], cursor) if unfinished else following(path, Cursor(), limit)
    return records, attrs.evolve(
        cursor, size=size, check=check, records=cursor.records + len(records)
    )
