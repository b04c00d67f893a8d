"""Directory: where everything of a run is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from artifact_fn.folds.epoch import Epoch
from artifact_fn.runs.faults import Damaged, Missing
from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.journal import Record
from artifact_fn.runs.storage.sealed import BrokenError, seal, unseal
from artifact_fn.runs.storage.values import decode, encode

FORMAT = 1
"""Of `experiment.json` and the journal."""


@attrs.frozen
class Directory:
    """The files of a run.

    Attributes:
        root: Of all of them.
    """

    root: Path

    @property
    def experiment(self) -> Path:
        """What was begun, by whom, on what; one sealed record."""
        return self.root / "experiment.json"

    @property
    def journal(self) -> Path:
        """What has happened; one sealed record a line."""
        return self.root / "journal.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Of all checkpoints."""
        return self.root / "checkpoints"


def write_experiment(where: Directory, record: dict[str, Any]) -> None:
    """Write `experiment.json`; from then on there is a run.

    Raises:
        Storage: the disk refuses.
    """
    files.replace(where.experiment, seal({"format": FORMAT, **record})[0])


def read_experiment(where: Directory) -> dict[str, Any]:
    """What `experiment.json` says.

    Raises:
        Missing: there is no run.
        Damaged: it is not what was written.
    """
    if not where.experiment.exists():
        raise Missing(where.root)
    try:
        record, _ = unseal(files.read(where.experiment))
    except BrokenError as cause:
        raise Damaged(where.experiment, cause.got) from cause
    return record


def epoch_record(epoch: Epoch[Any], artifacts: Mapping[str, Any], *, step: int) -> Record:
    """What the journal says of an epoch, after so many steps of the run."""
    return {
        "kind": "epoch",
        "epoch": epoch.index,
        "step": step,
        "scores": {name: encode(value).document for name, value in epoch.scores.items()},
        "artifacts": dict(artifacts),
        "seconds": encode(epoch.seconds).document,
    }


def epochs_of(records: list[Record] | tuple[Record, ...]) -> Iterator[Epoch[Any]]:
    """The epochs of a journal in order, without states and artifacts.

    Of an epoch that was run more than once with other scores, the last run counts.
    """
    last = {record["epoch"]: record for record in records if record["kind"] == "epoch"}
    for index in sorted(last):
        record = last[index]
        scores = {name: decode(value, {}) for name, value in record["scores"].items()}
        yield Epoch(index, None, scores, {}, decode(record["seconds"], {}))
