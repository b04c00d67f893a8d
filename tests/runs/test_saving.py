"""Saving: one thread writes what it is handed, in order; what it could not is told at the next."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from artifact_fn.runs import Saving, Storage
from artifact_fn.runs.saving import Job, Writer
from artifact_fn.runs.storage import checkpoint
from artifact_fn.runs.storage.checkpoint import Mark


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "checkpoints", Saving(keep_last=1))
    yield made
    made.close()


def job(epoch: int, settle: Callable[[], None] = lambda: None) -> Job:
    return Job(Mark(epoch, epoch), {"x": torch.ones(3)}, {}, frozenset(), settle)


def test_it_is_one_thread_and_not_the_one_that_asks(writer: Writer) -> None:
    told: list[int] = []
    for epoch in (1, 2, 3):
        writer.submit(job(epoch, lambda: told.append(threading.get_ident())))
        writer.wait()
        writer.aside(lambda: told.append(threading.get_ident()))
    writer.wait()
    assert len(told) == 6
    assert set(told) != {threading.get_ident()}
    assert len(set(told)) == 1
    assert checkpoint.marks(writer.root) == [Mark(3, 3)]


def test_what_is_short_does_not_wait_for_a_checkpoint(writer: Writer) -> None:
    """And is done where it was asked for: the journal is not to wait for a slow disk."""
    go, done = threading.Event(), list[int]()

    def settle() -> None:
        go.wait()

    writer.submit(job(1, settle))
    writer.aside(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]
    go.set()
    writer.wait()
    assert checkpoint.marks(writer.root) == [Mark(1, 1)]


@pytest.mark.parametrize("next_one", ["submit", "aside", "wait"])
def test_what_could_not_be_written_is_told_at_the_next(writer: Writer, next_one: str) -> None:
    refused = threading.Event()

    def refuse() -> None:
        refused.set()
        raise Storage(writer.root, OSError(28, "No space left on device"))

    writer.aside(refuse)
    refused.wait()
    nexts: dict[str, Callable[[], None]] = {
        "submit": lambda: writer.submit(job(2)),
        "aside": lambda: _when_done(writer, lambda: None),
        "wait": writer.wait,
    }
    with pytest.raises(Storage, match="No space left"):
        nexts[next_one]()
    writer.submit(job(3))  # told once; what comes after is written
    writer.wait()
    assert checkpoint.marks(writer.root) == [Mark(3, 3)]


def _when_done(writer: Writer, work: Callable[[], None]) -> None:
    """`aside`, when the thread is through: until then it is busy, and tells nothing."""
    assert writer._running is not None
    writer._running.exception()
    writer.aside(work)


def test_without_a_thread_it_is_done_at_once(tmp_path: Path) -> None:
    writer, told = Writer(tmp_path, Saving(background=False)), list[int]()
    writer.aside(lambda: told.append(threading.get_ident()))
    writer.submit(job(1, lambda: told.append(threading.get_ident())))
    assert told == [threading.get_ident()] * 2
    assert checkpoint.marks(tmp_path) == [Mark(1, 1)]
    writer.close()
