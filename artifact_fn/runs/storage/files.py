"""Files: the few ways in which a run touches the disk, each durable when it returns.

What the system refuses becomes a `Storage` fault with the path and the cause. A file whose sync
has failed is never synced again: the kernel may have dropped its pages and would say yes.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from artifact_fn.runs.faults import Damaged, Storage

Bytes = bytes | bytearray | memoryview
"""What can be written."""

_SMALL = 1 << 18  # a call to the system costs as much as copying so much
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.frozen
class Content:
    """What is in a file.

    Attributes:
        size: Bytes.
        sha256: Of them, 64 hex digits.
    """

    size: int
    sha256: str


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what the system refuses into a fault that names the path."""
    try:
        yield
    except OSError as cause:
        free = None
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(path if path.exists() else path.parent).free
        raise Storage(path, cause, free=free) from cause


def write(path: Path, parts: Iterable[Bytes]) -> Content:
    """Write a file that does not exist yet, and wait until the disk has it.

    Raises:
        Storage: the system refuses.
    """
    hashed, size = hashlib.sha256(), 0
    with told(path):
        handle = os.open(path, _NEW, 0o644)
        try:
            for part in _gathered(parts):
                hashed.update(part)
                size += len(part)
                put(handle, part)
            os.fsync(handle)
        finally:
            os.close(handle)
    return Content(size, hashed.hexdigest())


def _gathered(parts: Iterable[Bytes]) -> Iterator[Bytes]:
    """The same bytes in fewer parts: small ones together, large ones as they are."""
    small = bytearray()
    for part in parts:
        if len(small) + len(part) > _SMALL:
            if small:
                yield bytes(small)
            small.clear()
        if len(part) > _SMALL:
            yield part
        else:
            small += part
    if small:
        yield bytes(small)


def put(handle: int, data: Bytes) -> None:
    """Write all of some bytes to an open file: the system may take them in parts."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def read(path: Path) -> bytes:
    """All of a file, which is no link.

    Raises:
        Damaged: there is no such file, or it is a link or a directory.
        Storage: the system refuses.
    """
    with told(path):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as cause:
            raise Damaged(path, "no such file") from cause
        except OSError as cause:
            if path.is_symlink():
                raise Damaged(path, "a link to another file") from cause
            raise
        with os.fdopen(handle, "rb") as file:
            return file.read()


def sync(directory: Path) -> None:
    """Wait until the disk has a directory's entries; renames and new files are not there before.

    Raises:
        Storage: the system refuses.
    """
    with told(directory):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make(directory: Path) -> None:
    """Make a directory and those above it, where they are not there yet.

    Raises:
        Storage: the system refuses.
    """
    if directory.is_dir():
        return
    make(directory.parent)
    with told(directory):
        directory.mkdir(exist_ok=True)
    sync(directory.parent)


def publish(aside: Path, final: Path) -> None:
    """Give a file or directory its name, in one step that a crash cannot halve.

    Raises:
        Storage: the system refuses.
    """
    with told(final):
        os.rename(aside, final)
    sync(final.parent)


def replace(path: Path, data: bytes) -> Content:
    """Put a file in the place of another, or of none: readers see the one or the other.

    Raises:
        Storage: the system refuses; what was there is still there.
    """
    aside = path.with_name(f".{path.name}.aside")
    discard(aside)
    try:
        content = write(aside, [data])
        publish(aside, path)
    except Storage:
        with contextlib.suppress(Storage):
            discard(aside)
        raise
    return content


def discard(path: Path) -> None:
    """Remove a file or a directory with all that is in it, if it is there.

    Raises:
        Storage: the system refuses.
    """
    with told(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def digest(data: bytes) -> str:
    """SHA-256 of some bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()
