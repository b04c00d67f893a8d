"""Directories of runs that nobody has run, and trackers that fail on purpose."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from artifact_fn.folds import Epoch
from artifact_fn.runs.directory import Directory, epoch_record, write_experiment
from artifact_fn.runs.storage import artifacts
from artifact_fn.runs.storage.journal import Journal, Record
from artifact_fn.runs.trackers import Connection, Head, Item, Memory, Tracker

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082".replace(" ", "")
)
"""One transparent pixel."""

FACTS = {"git": "abc+", "host": "here", "command": ["train.py", "-v"]}


def begun(root: Path, *, run: str = "0123abcd", params: Mapping[str, str] | None = None) -> Path:
    """A directory with an experiment and an empty journal."""
    root.mkdir(parents=True, exist_ok=True)
    facts = {**FACTS, "began": "2026-03-01T12:00:00Z"}
    about = {"bits": {"torch": "2.13.0", "threads": 1}, "facts": facts}
    experiment = {"": "Experiment", "optimizer.lr": "0.1", **(params or {})}
    write_experiment(Directory(root), {"id": run, "environment": about, "experiment": experiment})
    return root


def epoch(index: int, scores: Mapping[str, float] | None = None, **found: Any) -> Record:
    """What a journal says of an epoch of ten steps and a second and a half."""
    given = {"train/loss": 1 / index, "val/odd (mm)": 0.1 + index} if scores is None else scores
    told: Epoch[Any] = Epoch(index, None, given, {}, 1.5 * index)
    return epoch_record(told, found.get("artifacts", {}), step=10 * index)


def with_artifacts(root: Path, index: int) -> dict[str, Any]:
    """An array, arrays, values and a plot of an epoch, saved."""
    made: dict[str, Any] = {
        "val/array": np.arange(3.0) + index,
        "val/arrays": {"a/b": np.zeros((0, 2)), "x.1": np.ones(2)},
        "val/values": {"n": index, "x": [0.5, float("inf")]},
    }
    listed = {name: artifacts.save(root, name, index, value) for name, value in made.items()}
    path = root / "artifacts" / "val" / "curve" / f"{index:06}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PNG)
    from artifact_fn.runs.storage.files import digest

    about = {"file": str(path.relative_to(root)), "size": len(PNG), "sha256": digest(PNG)}
    return {**listed, "val/curve": about}


STOP: Record = {"kind": "stop", "epoch": 9, "reason": "it is enough"}


def write(root: Path, records: Sequence[Record]) -> None:
    """Append to a journal."""
    journal = Journal(Directory(root).journal)
    try:
        for record in records:
            journal.append([record])
    finally:
        journal.close()


def finished(root: Path, epochs: int = 5, **options: Any) -> Path:
    """A run of some epochs with artifacts, which has ended."""
    begun(root, **options)
    told = [epoch(i, artifacts=with_artifacts(root, i)) for i in range(1, epochs + 1)]
    write(root, [*told, STOP])
    return root


def scores_of(root: Path) -> set[tuple[str, int, int, float]]:
    """Every score of a journal: name, epoch, step, value."""
    from artifact_fn.runs.storage.journal import read
    from artifact_fn.runs.storage.values import decode

    return {
        (name, record["epoch"], record["step"], decode(value, {}))
        for record in read(root / "journal.jsonl").records
        if record["kind"] == "epoch"
        for name, value in record["scores"].items()
    }


def remembered(memory: Memory) -> dict[str, Any]:
    """All that was told, comparable."""
    return {
        key: (
            dict(told.head.params),
            dict(told.head.tags),
            {epoch: (s.step, s.at, repr(dict(s.values))) for epoch, s in told.scores.items()},
            {name: {e: repr(v) for e, v in of.items()} for name, of in told.artifacts.items()},
            told.status,
        )
        for key, told in memory.runs.items()
    }


class DownError(Exception):
    """The backend cannot be reached."""


@attrs.frozen(eq=False)
class Shaky:
    """A tracker over another, which fails when it is told so.

    Attributes:
        inner: What is told.
        before: Called before a batch arrives; may raise or wait.
        after: Called when it has arrived, before that is acknowledged.
        calls: What was called, in order.
    """

    inner: Tracker
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    calls: list[str] = attrs.field(factory=list)

    @property
    def name(self) -> str:
        return "shaky"

    def check(self) -> None:
        pass

    def open(self, head: Head) -> Connection:
        self.calls.append("open")
        return _Shaking(self, self.inner.open(head))


@attrs.frozen(eq=False)
class _Shaking:
    tracker: Shaky
    inner: Connection

    def send(self, items: Sequence[Item]) -> None:
        self.tracker.calls.append("send")
        self.tracker.before()
        self.inner.send(items)
        self.tracker.after()

    def close(self) -> None:
        self.tracker.calls.append("close")
        self.inner.close()


def failing(times: Iterator[bool]) -> Callable[[], None]:
    """Raises where the next of these is true."""

    def maybe() -> None:
        if next(times, False):
            raise DownError("connection refused")

    return maybe


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what another thread or process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.01)  # a bounded poll: another process or a server sets no event of ours
