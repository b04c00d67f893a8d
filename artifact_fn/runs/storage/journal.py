"""Journal: the append-only record of a run, one sealed line of JSON each.

Each line's check covers the line before it too, so that none can be changed, lost or exchanged
in the middle. Only the last line can be torn, by a crash while it was written; it is dropped,
and said.
"""

import contextlib
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.faults import Damaged, Storage
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.sealed import FIRST, HEAD, BrokenError, seal, unseal

_OPEN = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

Record = dict[str, Any]
"""Of plain values that JSON knows, with a `kind`."""


@attrs.frozen
class Read:
    """What a journal says.

    Attributes:
        records: In the order they were written.
        check: Of the last one; the next record follows it.
        size: Bytes of them.
        torn: Bytes of a last line that was not finished.
    """

    records: tuple[Record, ...]
    check: str
    size: int
    torn: int


def read(path: Path) -> Read:
    """Read a journal, or of none that it is empty.

    Raises:
        Damaged: a record before the last one has been changed; names its line.
        Storage: the disk refuses.
    """
    if not path.exists():
        return Read((), FIRST, 0, 0)
    data = files.read(path)
    records: list[Record] = []
    check, at = FIRST, 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        try:
            record, check = unseal(data[at:end], check)
        except BrokenError as cause:
            # A line that was torn has one beginning; two are lines whose end was damaged.
            if end < len(data) or HEAD in data[at + 1 :]:
                raise Damaged(path, f"{cause.got} in line {len(records) + 1}") from cause
            break
        records.append(record)
        at = end
    return Read(tuple(records), check, at, len(data) - at)


class Journal:
    """A journal open for writing, by the one process that holds the run's lock.

    Args:
        path: Of the file.

    Attributes:
        records: All of them.

    Raises:
        Damaged, Storage: as `read`.
    """

    def __init__(self, path: Path) -> None:
        found = read(path)
        if found.torn:
            warnings.warn(
                f"{path}: the last record was torn by a crash and is dropped ({found.torn} bytes)",
                stacklevel=2,
            )
        self.path, self.records, self._check = path, list(found.records), found.check
        with files.told(path):
            self._handle = os.open(path, _OPEN, 0o644)
            os.ftruncate(self._handle, found.size)
            os.lseek(self._handle, 0, os.SEEK_END)
        files.sync(path.parent)
        self._size = found.size

    def append(self, records: Iterable[Record]) -> None:
        """Add records; when this returns, the disk has them.

        Raises:
            Storage: the disk refuses; the journal is closed and holds what it held before.
        """
        lines, check = [], self._check
        kept = list(records)
        for record in kept:
            line, check = seal(record, check)
            lines.append(line)
        data = b"".join(lines)
        try:
            with files.told(self.path):
                files.put(self._handle, data)
                os.fsync(self._handle)
        except Storage:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._size)
            self.close()
            raise
        self._check, self._size = check, self._size + len(data)
        self.records += kept

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
