"""Listed: how runs stand, read from their journals alone."""

import signal as signals
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.runs.directory import Directory, epochs_of, read_experiment
from artifact_fn.runs.faults import Fault, Missing
from artifact_fn.runs.storage.journal import Record, read
from artifact_fn.runs.storage.lock import holder


@attrs.frozen
class Listed:
    """How a run stands.

    Attributes:
        root: Its directory.
        status: `"running"`, `"ended"`, `"failed"`, `"interrupted"`, `"left"` (it has not ended,
            and nobody is at work on it) or `"damaged"`.
        reason: Why it has ended or failed, who is at work, or what is damaged.
        epochs: That are completed.
        scores: Of the last one.
        seconds: That it has taken so far, by its own clock; NaN where it had none.
        began: When, in UTC.
        environment: Of the process that began it.
    """

    root: Path
    status: str
    reason: str
    epochs: int = 0
    scores: dict[str, float] = attrs.field(factory=dict)
    seconds: float = float("nan")
    began: str = ""
    environment: dict[str, Any] = attrs.field(factory=dict, repr=False)


def listed(directory: str | Path) -> Listed:
    """How one run stands.

    Raises:
        Missing: there is no run in the directory.
    """
    where = Directory(Path(directory).absolute())
    try:
        begun = read_experiment(where)
        records = read(where.journal).records
    except Missing:
        raise
    except Fault as fault:
        return Listed(where.root, "damaged", str(fault))
    epochs = list(epochs_of(records))
    status, reason = _status(where, records)
    environment = begun["environment"]
    return Listed(
        where.root,
        status,
        reason,
        len(epochs),
        dict(epochs[-1].scores) if epochs else {},
        epochs[-1].seconds if epochs else float("nan"),
        environment["facts"].get("began", ""),
        environment,
    )


def runs_in(root: str | Path) -> Iterator[Listed]:
    """The runs in a directory and below it, by their paths; one within another is not looked for."""
    root = Path(root)
    if Directory(root).experiment.exists():
        yield listed(root)
        return
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from runs_in(path)


def _status(where: Directory, records: tuple[Record, ...]) -> tuple[str, str]:
    who = holder(where.root)
    if who is not None:
        return "running", who
    again = False
    for record in reversed(records):
        match record["kind"]:
            case "stop":
                return "ended", record["reason"]
            case "fault" if not again:
                return "failed", record["what"]
            case "interrupted" if not again:
                return "interrupted", signals.Signals(record["signal"]).name
            case "resumed" if "until" not in record["changed"]:
                again = True  # what has ended is not run again, and says so no second time
            case _:
                break
    return "left", "it has not ended, and nobody is at work on it"
