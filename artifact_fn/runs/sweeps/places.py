"""Places: the files of a sweep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.faults import Damaged, Missing
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.sealed import BrokenError, seal, unseal

FORMAT = 1
"""Of `sweep.json` and `trial.json`."""


@attrs.frozen
class Places:
    """Where everything of a sweep is.

    Attributes:
        root: Of all of it.
    """

    root: Path

    @property
    def sweep(self) -> Path:
        """What is swept; one sealed record."""
        return self.root / "sweep.json"

    @property
    def trials(self) -> Path:
        """Of a run directory for each trial."""
        return self.root / "trials"

    @property
    def tune(self) -> Path:
        """Of what Ray Tune keeps for itself, to go on with the search."""
        return self.root / "tune"

    def trial(self, name: str) -> Path:
        """The run directory of a trial."""
        return self.trials / name


def told(trial: Path) -> Path:
    """What a trial is; one sealed record in its run directory."""
    return trial / "trial.json"


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record in the place of another, or of none.

    Raises:
        Storage: the disk refuses.
    """
    files.replace(path, seal({"format": FORMAT, **record})[0])


def read_record(path: Path) -> dict[str, Any]:
    """What a record says.

    Raises:
        Missing: there is none.
        Damaged: it is not what was written.
    """
    if not path.exists():
        raise Missing(path.parent, got=f"no {path.name} in it")
    try:
        record, _ = unseal(files.read(path))
    except BrokenError as cause:
        raise Damaged(path, cause.got) from cause
    return record


def plain(value: Any) -> Any:
    """A point of a space as JSON has it; what JSON does not have is told by its `repr`.

    Example:
        >>> plain({"lr": 0.1, "layers": (8, 8), "act": len})
        {'lr': 0.1, 'layers': [8, 8], 'act': '<built-in function len>'}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float) and abs(value) < float("inf"):
        return float(value)
    return repr(value)
