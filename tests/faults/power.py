"""Power: every call of a run that touches the disk, and the disks that a power cut may leave.

A kill leaves what the kernel has; a power cut only what was synced, in any mixture with what was
not. The calls of one run are written down and replayed on a model of a disk, in which a file's
bytes and a directory's names are there for certain once they were synced.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs import saving
from artifact_fn.runs.storage import checkpoint, journal
from tests.faults import worker

CALLS = ("open", "write", "fsync", "rename", "mkdir", "unlink", "rmdir", "ftruncate")


def traced(root: Path) -> list[Any]:
    """Run the small experiment in this process, and tell of every call."""
    told: list[Any] = []
    paths: dict[int, str] = {}
    real = {name: getattr(os, name) for name in CALLS}

    def opened(path: Any, flags: int, *rest: Any, **kwargs: Any) -> int:
        handle: int = real["open"](path, flags, *rest, **kwargs)
        paths[handle] = str(path)
        if flags & os.O_CREAT:
            told.append(("create", str(path)))
        return handle

    def wrote(handle: int, data: Any) -> int:
        done: int = real["write"](handle, data)
        told.append(("write", paths[handle], base64.b64encode(bytes(data)[:done]).decode()))
        return done

    def shortened(handle: int, size: int) -> None:
        real["ftruncate"](handle, size)
        told.append(("ftruncate", paths[handle], size))

    def synced(handle: int) -> None:
        real["fsync"](handle)
        told.append(("fsync", paths[handle]))

    def named(name: str) -> Any:
        def call(path: Any, *rest: Any, dir_fd: int | None = None, **kwargs: Any) -> None:
            if dir_fd is not None:
                kwargs["dir_fd"] = dir_fd
            real[name](path, *rest, **kwargs)
            whole = path if dir_fd is None else os.path.join(paths[dir_fd], path)
            told.append((name, str(whole), *(str(r) for r in rest if not isinstance(r, int))))

        return call

    os.open, os.write, os.fsync, os.ftruncate = opened, wrote, synced, shortened  # type: ignore[assignment]
    for name in ("rename", "mkdir", "unlink", "rmdir"):
        setattr(os, name, named(name))
    save, append = checkpoint.save, journal.Journal.append

    def saved(where: Path, mark: checkpoint.Mark, *rest: Any, **kwargs: Any) -> Path:
        path = save(where, mark, *rest, **kwargs)
        told.append(("saved", mark.name))
        return path

    def appended(self: Any, records: Any) -> None:
        append(self, records)
        told.append(("appended", len(self.records)))

    saving.checkpoint.save = saved  # type: ignore[attr-defined]
    journal.Journal.append = appended  # type: ignore[method-assign]
    worker.attempt(root)
    return told


@attrs.define(eq=False)
class File:
    live: bytes = b""
    synced: bytes = b""


@attrs.define(eq=False)
class Folder:
    live: dict[str, Any] = attrs.field(factory=dict)
    synced: dict[str, Any] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Disk:
    """A model of a disk: what was asked of it, and what of that is certain.

    Attributes:
        above: The directory that the run's own is in; it is there for certain.
        root: Of everything on it.
    """

    above: str
    root: Folder = attrs.field(factory=Folder)

    def at(self, path: str) -> Any:
        found: Any = self.root
        relative = os.path.relpath(path, self.above)
        for part in () if relative == "." else relative.split(os.sep):
            found = found.live[part]
        return found

    def into(self, path: str) -> tuple[dict[str, Any], str]:
        return self.at(os.path.dirname(path)).live, os.path.basename(path)

    def do(self, call: str, path: str, *rest: Any) -> None:
        if call == "fsync":
            node = self.at(path)
            node.synced = dict(node.live) if isinstance(node, Folder) else node.live
        elif call == "write":
            self.at(path).live += base64.b64decode(rest[0])
        elif call == "ftruncate":
            self.at(path).live = self.at(path).live[: rest[0]]
        else:
            names, name = self.into(path)
            if call == "create":
                names.setdefault(name, File())
            elif call == "mkdir":
                names[name] = Folder()
            elif call == "rename":
                others, other = self.into(rest[0])
                others[other] = names.pop(name)
            else:
                del names[name]

    def left(self, to: Path, *, names: bool, data: bool) -> None:
        """Write down what a power cut may leave.

        Args:
            to: Where.
            names: Whether names are there that were not synced.
            data: Whether bytes are.
        """

        def put(node: Any, path: Path) -> None:
            if isinstance(node, File):
                path.write_bytes(node.live if data else node.synced)
                return
            path.mkdir(exist_ok=True)
            for name, part in (node.live if names else node.synced).items():
                put(part, path / name)

        put(self.root, to)


def states(told: list[Any], above: Path) -> Iterator[tuple[int, Disk, str | None, int]]:
    """After each call: the disk, the last checkpoint that was acknowledged, and the records."""
    disk, mark, records = Disk(str(above)), None, 0
    for i, (call, *rest) in enumerate(told):
        if call == "saved":
            mark = rest[0]
        elif call == "appended":
            records = rest[0]
        else:
            disk.do(call, *rest)
        yield i, disk, mark, records


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    answer = traced(Path(sys.argv[1]))
    json.dump(answer, sys.stdout)
