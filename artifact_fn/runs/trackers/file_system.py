"""File system: runs told as plain files in another place, such as a shared disk.

One file an epoch, each put in place by one rename: to write it again changes nothing.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.names import divided, safe
from artifact_fn.runs.storage.values import encode
from artifact_fn.runs.trackers.contract import Artifact, Head, Item, Scores


@attrs.frozen
class FileSystem:
    """Runs as directories `<name>-<id>/` with `run.json`, `status.json`, `epochs/`, `artifacts/`.

    Attributes:
        directory: Of all of them; made if need be.

    Example:
        >>> FileSystem("/mnt/shared/runs").name
        'files /mnt/shared/runs'
    """

    directory: Path = attrs.field(converter=Path)

    @property
    def name(self) -> str:
        """By the directory."""
        return f"files {self.directory.absolute()}"

    def check(self) -> None:
        """There is nothing to import."""

    def open(self, head: Head) -> "_Connection":
        """Write down what the run is.

        Raises:
            Storage: the disk refuses.
        """
        root = self.directory.absolute() / f"{safe(head.name)}-{safe(head.id)}"
        files.make(root / "epochs")
        about = {"id": head.id, "name": head.name, "began": head.began}
        _put(root / "run.json", {**about, "params": dict(head.params), "tags": dict(head.tags)})
        return _Connection(root)


@attrs.frozen
class _Connection:
    root: Path

    def send(self, items: Sequence[Item]) -> None:
        for item in items:
            match item:
                case Scores():
                    values = {key: encode(value).document for key, value in item.values.items()}
                    about = {"epoch": item.epoch, "step": item.step, "at": item.at}
                    path = self.root / "epochs" / f"{item.epoch:06}.json"
                    _put(path, {**about, "scores": values})
                case Artifact():
                    self._copy(item)
                case _:
                    _put(self.root / "status.json", attrs.asdict(item))

    def _copy(self, item: Artifact) -> None:
        split, rest = divided(item.name)
        to = self.root / "artifacts" / safe(split) / safe(rest) / item.path.name
        files.make(to.parent)
        files.replace(to, item.content())

    def close(self) -> None:
        pass


def _put(path: Path, record: dict[str, Any]) -> None:
    files.replace(path, json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")
