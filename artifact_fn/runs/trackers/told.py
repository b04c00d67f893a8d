"""Told: what the records of a journal say, as items for trackers."""

from collections.abc import Iterator
from pathlib import Path

import attrs

from artifact_fn.runs.directory import Directory, read_experiment
from artifact_fn.runs.provenance import said
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.journal import Record
from artifact_fn.runs.storage.stamp import seconds_of
from artifact_fn.runs.storage.values import decode
from artifact_fn.runs.trackers.contract import Artifact, Head, Item, Scores, Status


@attrs.frozen
class Clock:
    """Where a run was at a record: the records after it do not all say.

    Attributes:
        step: Steps by the last epoch.
        seconds: The run had taken by then.
    """

    step: int | None = None
    seconds: float = 0.0


def head_of(root: Path) -> Head:
    """What is told of a run first.

    Raises:
        Missing, Damaged: as `read_experiment`.
    """
    record = read_experiment(Directory(root))
    facts, bits = record["environment"]["facts"], record["environment"]["bits"]
    # Directories of the first version have no id; what they were begun on tells most of them apart.
    known = record.get("id") or files.digest(repr(sorted(facts.items())).encode())[:32]
    return Head(
        id=known,
        name=root.name,
        root=root,
        began=seconds_of(facts["began"]),
        params={path or "experiment": text for path, text in record["experiment"].items()},
        tags={name: said(value) for name, value in {**bits, **facts}.items() if value is not None},
    )


def items_of(head: Head, record: Record, clock: Clock) -> tuple[tuple[Item, ...], Clock]:
    """What one record says, and where the run was by then."""
    kind = record["kind"]
    if kind == "epoch":
        clock = Clock(record.get("step"), decode(record["seconds"], {}))
        return tuple(_epoch(head, record, clock)), clock
    at = head.began + clock.seconds
    match kind:
        case "stop":
            return (Status("finished", record["reason"], at),), clock
        case "interrupted":
            return (Status("interrupted", f"signal {record['signal']}", at),), clock
        case "fault":
            return (Status("failed", record["what"], at),), clock
    return (), clock


def _epoch(head: Head, record: Record, clock: Clock) -> Iterator[Item]:
    epoch, at = record["epoch"], head.began + clock.seconds
    # A run that was resumed runs again, unless it had ended, and one that was killed never said that
    # it did not: an epoch says that it does.
    yield Status("running", "", at)
    values = {name: decode(value, {}) for name, value in record["scores"].items()}
    yield Scores(epoch, clock.step, at, values)
    for name, listed in record["artifacts"].items():
        yield Artifact(name, epoch, clock.step, at, head.root, listed)
