"""Checkpoint: a value on disk, whole or not at all, every byte of it accounted for.

A directory with the value's tensors (safetensors), its document (JSON) and a manifest with the
SHA-256 of both. It is written aside, synced, and gets its name by one rename; so a directory with
a checkpoint's name is a whole one, or was damaged later, and then the manifest tells.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.errors import DataError
from artifact_fn.runs.faults import Damaged
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.sealed import BrokenError, seal, unseal
from artifact_fn.runs.storage.tensors import dumped, loaded
from artifact_fn.runs.storage.values import decode, encode

FORMAT = 1
"""Of the files; what an older version wrote is read for ever, what a newer one did is refused."""

TENSORS, DOCUMENT, MANIFEST = "tensors.safetensors", "value.json", "manifest.json"
_NAME = re.compile(r"(\d{8,})-(\d{12,})")
ASIDE = ".aside-"
"""How names begin of what is half written or half removed; `clean` removes it."""


@attrs.frozen(order=True)
class Mark:
    """Which checkpoint: the place in the run at which it was made.

    Attributes:
        epoch: Completed epochs.
        step: Steps of the run.
    """

    epoch: int
    step: int

    @property
    def name(self) -> str:
        """Of its directory; names sort as marks do."""
        return f"{self.epoch:08}-{self.step:012}"


def save(
    root: Path, mark: Mark, value: Any, *, lenient: tuple[str, ...] = (), about: Any = None
) -> Path:
    """Write a value as the checkpoint `mark` under `root`.

    One that is there already under this mark is replaced: it was found to be damaged, or it was
    made by the same run at the same place.

    Args:
        root: Directory of all checkpoints.
        mark: Where the run is.
        value: What `values.encode` takes.
        lenient: As in `values.encode`.
        about: Plain facts for people and tools, kept in the manifest.

    Returns:
        Its directory.

    Raises:
        DataError: the value cannot be saved; nothing is written.
        Storage: the disk refuses; nothing is left behind, earlier checkpoints are untouched.
    """
    encoded = encode(value, lenient=lenient)
    document = json.dumps(encoded.document, separators=(",", ":"), allow_nan=False).encode()
    files.make(root)
    aside, final = root / f"{ASIDE}{mark.name}", root / mark.name
    files.discard(aside)
    try:
        with files.told(aside):
            aside.mkdir()
        contents = {
            TENSORS: files.write(aside / TENSORS, dumped(encoded.tensors)),
            DOCUMENT: files.write(aside / DOCUMENT, [document]),
        }
        manifest = {
            "format": FORMAT,
            "checkpoint": mark.name,
            "about": about,
            "files": {name: attrs.asdict(content) for name, content in contents.items()},
        }
        files.write(aside / MANIFEST, [seal(manifest)[0]])
        files.sync(aside)
        if final.exists():
            files.discard(final)
        files.publish(aside, final)
    except BaseException:
        drop(aside)
        raise
    return final


def load(root: Path, mark: Mark, *, device: str | None = None) -> Any:
    """The value of a checkpoint.

    Raises:
        Damaged: a file of it is missing, or not what was written; names the file.
        DataError: it was written by a later version, or holds a record that is not known here.
        Storage: the disk refuses.
    """
    where = root / mark.name
    manifest = described(root, mark)
    read = {}
    for name in (TENSORS, DOCUMENT):
        data = files.read(where / name)
        listed = manifest["files"][name]
        if len(data) != listed["size"]:
            raise _damaged(where / name, f"{len(data):,} bytes instead of {listed['size']:,}")
        if files.digest(data) != listed["sha256"]:
            raise _damaged(where / name, "other bytes than were written")
        read[name] = data
    tensors = loaded(read[TENSORS])
    try:
        return decode(json.loads(read[DOCUMENT]), tensors, device=device)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as cause:
        # The digests agree: it was written so, by somebody else.
        kind = type(cause).__name__
        raise _damaged(where / DOCUMENT, f"a document that makes no sense ({kind})") from cause


def described(root: Path, mark: Mark) -> dict[str, Any]:
    """What the manifest of a checkpoint says.

    Raises:
        Damaged: it is missing, has been changed, or belongs to another checkpoint.
        DataError: it was written by a later version.
    """
    path = root / mark.name / MANIFEST
    try:
        manifest, _ = unseal(files.read(path))
    except BrokenError as cause:
        raise _damaged(path, cause.got) from cause
    if manifest["format"] > FORMAT:
        raise DataError(
            f"{path.parent} was written by a later version",
            got=f"format {manifest['format']}, where {FORMAT} is the latest known here",
            do="install the version of artifact_fn that experiment.json names",
        )
    if manifest["checkpoint"] != mark.name:
        raise _damaged(path, f"the manifest of {manifest['checkpoint']}")
    return manifest


def marks(root: Path) -> list[Mark]:
    """The checkpoints that are there, sound or not, the newest last."""
    if not root.is_dir():
        return []
    with files.told(root):
        names = os.listdir(root)
    found = [_NAME.fullmatch(name) for name in names]
    return sorted(Mark(int(name[1]), int(name[2])) for name in found if name)


def newest(
    root: Path, *, accept: Callable[[Mark], bool] = lambda _: True, device: str | None = None
) -> tuple[tuple[Mark, Any] | None, list[Damaged]]:
    """The newest sound checkpoint with its value, and what was wrong with later ones.

    Args:
        root: Directory of all checkpoints.
        accept: Which may be taken.
        device: As in `values.decode`.

    Raises:
        DataError, Storage: as `load`.
    """
    wrong: list[Damaged] = []
    for mark in reversed(marks(root)):
        if not accept(mark):
            continue
        try:
            return (mark, load(root, mark, device=device)), wrong
        except Damaged as fault:
            wrong.append(fault)
    return None, wrong


def clean(root: Path) -> None:
    """Remove what a process that was killed has left half written.

    Raises:
        Storage: the disk refuses.
    """
    if root.is_dir():
        for path in root.glob(f"{ASIDE}*"):
            files.discard(path)


def drop(aside: Path) -> None:
    """Remove a checkpoint's files where they are: without listing them, as handles may be short."""
    with contextlib.suppress(OSError):
        for name in (TENSORS, DOCUMENT, MANIFEST):
            (aside / name).unlink(missing_ok=True)
        aside.rmdir()


def _damaged(path: Path, got: str) -> Damaged:
    return Damaged(path, got, do="delete its directory; an earlier checkpoint is used instead")
