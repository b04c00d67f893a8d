"""Lock: one process a run directory, for as long as it lives.

The lock is the kernel's (flock), not a file's existence: it goes with the process that held it,
however that ended. What the file says is for people.
"""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from artifact_fn.runs.faults import Locked
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.stamp import stamp


@contextlib.contextmanager
def locked(directory: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a directory's lock.

    Args:
        directory: It exists.
        wait: Whether to wait for another holder instead of giving up.

    Raises:
        Locked: another process holds it; names who.
        Storage: the disk refuses.
    """
    path = directory / "lock"
    with files.told(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with files.told(path):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise Locked(directory, _holder(handle)) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, _myself(), 0)
        yield
    finally:
        os.close(handle)


def holder(directory: Path) -> str | None:
    """Who is at work in a directory, in words; None if nobody is.

    The lock is not tried for, which would be in the way of whoever takes it at that moment. The
    kernel's list of locks is asked; where there is none, nobody is known to be at work.
    """
    path, list_of_locks = directory / "lock", Path("/proc/locks")
    try:
        inode = path.stat().st_ino
        held = [line.split() for line in list_of_locks.read_text().splitlines()]
    except OSError:
        return None
    if not any("FLOCK" in part and f":{inode} " in f"{' '.join(part)} " for part in held):
        return None
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return _holder(handle)
        finally:
            os.close(handle)
    return None


def _myself() -> bytes:
    since = stamp()
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()


def _holder(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f"pid {who['pid']} on {who['host']} since {who['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has not said who it is yet"
