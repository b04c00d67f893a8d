"""Prefetch: the same batches, sooner; what happens in the thread is seen outside of it."""

import gc
import itertools
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from artifact_fn import random
from artifact_fn.data import Loader, Table, from_batches, from_torch, prefetched
from artifact_fn.errors import CursorError, DataError
from artifact_fn.training.contracts import Batch

KEY = random.key(3)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("artifact_fn prefetch")]


def batch(number: int) -> Batch:
    return {"x": torch.tensor([number])}


class Source:
    """Counts the batches it makes, and says when it makes one."""

    def __init__(self, count: int | None = None, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.made: list[int] = []
        self.making = threading.Semaphore(0)
        self.closed = threading.Event()

    @property
    def steps(self) -> int | None:
        return self.count

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        try:
            for number in (
                itertools.count(start) if self.count is None else range(start, self.count)
            ):
                self.made.append(number)
                self.making.release()
                yield batch(number)
            if self.error is not None:
                raise self.error
        finally:
            self.closed.set()


def test_it_makes_as_many_ahead_as_it_is_deep() -> None:
    source = Source()
    reading = prefetched(source, depth=3).batches(KEY, 1)
    assert threads() == []
    assert next(reading)["x"].item() == 0
    for _ in range(4):  # the one in use and three ahead
        assert source.making.acquire(timeout=60)
    assert source.made == [0, 1, 2, 3]
    assert not source.making.acquire(blocking=False)
    assert len(threads()) == 1
    assert next(reading)["x"].item() == 1
    assert source.making.acquire(timeout=60)
    assert source.made == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("way", ["break", "close", "drop", "error"])
def test_giving_up_ends_the_thread(way: str) -> None:
    source = Source()
    reading = prefetched(source).batches(KEY, 1)
    next(reading)
    assert len(threads()) == 1
    if way == "break":
        for _ in reading:
            break
        del reading
    elif way == "close":
        reading.close()  # type: ignore[attr-defined]
    elif way == "drop":
        del reading
    else:
        with pytest.raises(ValueError, match="of the reader"):
            reading.throw(ValueError("of the reader"))  # type: ignore[attr-defined]
    assert threads() == []
    gc.collect()
    assert source.closed.is_set()


def test_reading_to_the_end_ends_the_thread() -> None:
    for source in (Source(0), Source(5)):
        assert len(list(prefetched(source).batches(KEY, 1))) == source.count
        assert threads() == []
        assert source.closed.is_set()


def test_an_error_of_the_source_comes_out_in_its_place_with_its_traceback() -> None:
    reading = prefetched(Source(2, error=OSError("disk gone")), depth=5).batches(KEY, 1)
    assert [next(reading)["x"].item() for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match="disk gone") as caught:
        next(reading)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "batches"
    assert "make" in names
    assert threads() == []


def test_an_error_of_the_move_comes_out_too() -> None:
    def broken(key: Tensor | None, epoch: int) -> Iterator[Batch]:
        yield {"x": torch.zeros(1, device="meta")}

    with pytest.raises(NotImplementedError, match="meta"):
        list(prefetched(from_batches(broken, deterministic=True), device="cpu").batches(None, 1))
    assert threads() == []


def test_batches_are_moved() -> None:
    source = prefetched(Loader(Table({"x": {"deep": torch.ones(4)}}), 2), device="meta")
    assert [b["x"]["deep"].device.type for b in source.batches(KEY, 1)] == ["meta", "meta"]


def test_it_is_as_resumable_as_its_source() -> None:
    stream = from_torch(_Stream(), 2, workers=1)
    assert not prefetched(stream).resumable
    with pytest.raises(CursorError, match="an iterable dataset"):
        prefetched(stream).batches(KEY, 1, 3)
    assert prefetched(prefetched(Source())).resumable


class _Stream(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([])


DATA = TensorDataset(torch.zeros(3))
BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no source": ([1, 2], {}, r"a source is prefetched, .* got a list; pass a Loader"),
    "no depth": (Source(), {"depth": 0}, r"batches are made ahead; got depth=0; give 1 or more"),
    "half a depth": (Source(), {"depth": 1.5}, r"batches are made ahead; got depth=1.5"),
    "no device": (
        Source(),
        {"device": "gpu7"},
        r"a device that is there; got device='gpu7': .*; n",
    ),
    "nothing like one": (Source(), {"device": 1.5}, r"a device that is there; got device=1.5"),
    "no workers": (
        from_torch(DATA, 1, names=["x"]),
        {},
        r"leaves the global generators alone; got a TorchLoader .*; read it in a process: .*workers=1",
    ),
    "no workers of a stream": (from_torch(_Stream(), 1), {}, r"got a TorchStream that may draw"),
    "a factory that draws": (
        from_batches(lambda key, epoch: []),
        {},
        r"got a Batches that may draw .*; draw from the key given to the factory, and say determ",
    ),
}


@pytest.mark.parametrize(("source", "options", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_prefetched_is_refused(source: Any, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prefetched(source, **options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_go_to_a_cuda_device() -> None:
    table = Table({"x": torch.arange(10.0)})
    moved = list(prefetched(Loader(table, 4), device="cuda").batches(KEY, 1))
    stayed = list(Loader(table, 4).batches(KEY, 1))
    assert [b["x"].device.type for b in moved] == ["cuda"] * 3
    assert [b["x"].tolist() for b in moved] == [b["x"].tolist() for b in stayed]
