"""Sources: one battery for every kind of them."""

import random as python_random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from artifact_fn import random, tree
from artifact_fn.data import (
    Loader,
    Table,
    from_batches,
    from_npy,
    from_torch,
    prefetched,
    resumable,
)
from artifact_fn.errors import CursorError, DataError
from artifact_fn.training.contracts import Batch, Source
from artifact_fn.training.guards import generators

KEY, ROWS, SIZE = random.key(3), 23, 5
X = np.arange(ROWS * 2, dtype=np.float32).reshape(ROWS, 2)
Y = np.arange(ROWS)


class Noisy(Dataset[dict[str, Tensor]]):
    """Draws from every global generator there is."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        noise = torch.rand(()) + np.random.rand() + python_random.random()
        return {"x": torch.tensor(X[row]) + noise, "y": torch.tensor(Y[row])}


def drawn(key: Tensor | None, epoch: int) -> Iterator[Batch]:
    """Batches drawn from the key."""
    key = random.fold_in(random.key(0) if key is None else key, epoch)
    for step in range(5):
        yield {
            "x": random.normal(random.fold_in(key, step), (SIZE, 2)),
            "y": torch.full((SIZE,), step),
        }


def _table() -> Table:
    return Table({"x": X, "y": Y})


def _noisy(key: Tensor | None, epoch: int) -> Iterator[Batch]:
    for batch in drawn(key, epoch):
        yield {**batch, "x": batch["x"] + torch.rand(()) + np.random.rand()}


def _nested(_: Path) -> Source:
    return Loader(Table({"x": {"left": X, "right": (X, {"deep": Y})}, "y": Y}), SIZE)


def _npy(folder: Path) -> Source:
    np.save(folder / "x.npy", X.astype(np.float64))
    np.save(folder / "y.npy", Y.astype(np.int16))
    return from_npy({"x": folder / "x.npy", "y": str(folder / "y.npy")}, SIZE)


def _torch_loader(_: Path) -> Source:
    data = TensorDataset(torch.tensor(X), torch.tensor(Y))
    return from_torch(DataLoader(data, SIZE, shuffle=True), names=("x", "y"))


SOURCES: dict[str, Callable[[Path], Source]] = {
    "loader": lambda _: Loader(_table(), SIZE),
    "loader, whole batches": lambda _: Loader(_table(), SIZE, drop_last=True),
    "loader, one batch": lambda _: Loader(_table(), 100),
    "nested": _nested,
    "npy": _npy,
    "torch DataLoader": _torch_loader,
    "torch Dataset that draws": lambda _: from_torch(Noisy(), SIZE),
    "factory": lambda _: from_batches(drawn, steps=5, deterministic=True),
    "factory of unknown length": lambda _: from_batches(drawn, deterministic=True),
    "prefetched": lambda _: prefetched(Loader(_table(), SIZE), device="cpu"),
    "prefetched factory": lambda _: prefetched(from_batches(drawn, deterministic=True), depth=1),
    "prefetched npy": lambda folder: prefetched(_npy(folder), depth=9),
}

UNRESUMABLE: dict[str, Callable[[Path], Source]] = {
    "factory that draws": lambda _: from_batches(_noisy),
}


@pytest.fixture(params=[*SOURCES, *UNRESUMABLE])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    made: Source = {**SOURCES, **UNRESUMABLE}[request.param](tmp_path)
    return made


def test_a_source_keeps_the_contract(source: Source) -> None:
    assert isinstance(source, Source)
    before = generators()
    epochs = [list(source.batches(KEY, epoch)) for epoch in (1, 2)]
    assert generators() == before, "nothing global is moved"
    assert source.steps in (len(epochs[0]), None)
    assert len(epochs[0]) == len(epochs[1]) > 0
    assert tree.identical(epochs[0], list(source.batches(KEY, 1))), "a second reading is the first"
    assert not tree.identical(epochs[0], epochs[1]), "each epoch has an order of its own"
    other = list(source.batches(random.key(4), 1))
    assert not tree.identical(epochs[0], other), "each key has an order of its own"
    plain = list(source.batches(None, 1))
    assert tree.identical(plain, list(source.batches(None, 1)))
    assert generators() == before


def test_a_cursor_is_the_same_as_skipping(source: Source) -> None:
    whole = list(source.batches(KEY, 2))
    if not resumable(source):
        with pytest.raises(CursorError, match=r"cannot be taken up in the middle of an epoch; got"):
            source.batches(KEY, 2, 1)
        return
    for start in range(len(whole) + 1):
        assert tree.identical(list(source.batches(KEY, 2, start)), whole[start:])


def test_epochs_can_be_read_side_by_side(source: Source) -> None:
    alone = [list(source.batches(KEY, epoch)) for epoch in (1, 2)]
    both = [source.batches(KEY, epoch) for epoch in (1, 2)]
    pairs = list(zip(*both, strict=True))
    assert tree.identical([list(part) for part in zip(*pairs, strict=True)], alone)


def test_a_batch_is_no_view_of_the_data(source: Source) -> None:
    whole = tree.map(torch.clone, list(source.batches(KEY, 1)))
    for batch in source.batches(KEY, 1):
        tree.map(lambda leaf: leaf.zero_(), batch)
    assert tree.identical(whole, list(source.batches(KEY, 1)))


def test_a_reading_can_be_given_up(source: Source) -> None:
    before = generators()
    whole = list(source.batches(KEY, 1))
    for batch in source.batches(KEY, 1):
        assert tree.identical(batch, whole[0])
        break
    assert generators() == before
    assert tree.identical(whole, list(source.batches(KEY, 1)))


BAD: dict[str, tuple[tuple[Any, ...], str]] = {
    "a seed for a key": ((0, 1), r"read with a random key, or None .*; got 0; make a key"),
    "a float key": ((torch.zeros(2), 1), r"read with a random key"),
    "no index": ((KEY, 1.0), r"an epoch is told by its index; got 1.0; count from 1"),
    "before the first": ((KEY, -1), r"told by its index; got -1"),
    "a cursor before": ((KEY, 1, -1), r"is read from one of them on; got start=-1; give how many"),
    "no cursor": ((KEY, 1, 1.5), r"is read from one of them on; got start=1.5"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_what_no_epoch_is_read_with_is_refused_at_once(
    source: Source, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        source.batches(*arguments)


def test_a_cursor_beyond_the_epoch_is_refused(source: Source) -> None:
    if source.steps is not None:
        with pytest.raises(DataError, match=r"an epoch of \d batches is read .* got start=99"):
            source.batches(KEY, 1, 99)
    elif resumable(source):
        with pytest.raises(DataError, match=r"of at least 99 batches ended early; got 5 of them"):
            list(source.batches(KEY, 1, 99))


def test_sources_of_the_same_rows_agree_bit_for_bit(tmp_path: Path) -> None:
    for name in ("npy", "torch DataLoader", "prefetched", "prefetched npy"):
        for key in (KEY, None):
            ours = list(SOURCES[name](tmp_path).batches(key, 4))
            assert tree.identical(ours, list(Loader(_table(), SIZE).batches(key, 4))), name


class Broken:
    """A source with one fault, for the battery to find."""

    def __init__(self, fault: str) -> None:
        self.fault, self.read, self.table = fault, 0, _table()
        self.loader = Loader(self.table, SIZE)

    @property
    def steps(self) -> int:
        return 4 if self.fault == "tells a wrong length" else 5

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        match self.fault:
            case "remembers":
                self.read += 1
                return self.loader.batches(key, epoch + self.read, start)
            case "ignores the epoch":
                return self.loader.batches(key, 1, start)
            case "ignores the cursor":
                return self.loader.batches(key, epoch)
            case "moves the generator":
                torch.rand(1)
                return self.loader.batches(key, epoch, start)
            case "shares one position":
                return self._shared(key, epoch, start)
            case "gives views":
                columns = self.table.columns.items()
                return iter(
                    [{n: c[i : i + SIZE] for n, c in columns} for i in range(0, ROWS, SIZE)]
                )
        return self.loader.batches(key, epoch, start)

    def _shared(self, key: Tensor | None, epoch: int, start: int) -> Iterator[Batch]:
        self.read = start
        while self.read < 5:
            yield list(self.loader.batches(key, epoch))[self.read]
            self.read += 1


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("remembers", test_a_source_keeps_the_contract),
        ("ignores the epoch", test_a_source_keeps_the_contract),
        ("tells a wrong length", test_a_source_keeps_the_contract),
        ("moves the generator", test_a_source_keeps_the_contract),
        ("ignores the cursor", test_a_cursor_is_the_same_as_skipping),
        ("shares one position", test_epochs_can_be_read_side_by_side),
        ("gives views", test_a_batch_is_no_view_of_the_data),
        ("remembers", test_a_reading_can_be_given_up),
    ],
)
def test_the_battery_finds_what_is_broken(fault: str, law: Callable[[Source], None]) -> None:
    with torch.random.fork_rng(), pytest.raises((AssertionError, ValueError)):
        law(Broken(fault))
    law(Broken("none"))
