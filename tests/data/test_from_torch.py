"""From torch: any dataset, any number of workers, and no global generator moved."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from artifact_fn import random, tree
from artifact_fn.data import (
    Loader,
    Table,
    TorchLoader,
    TorchStream,
    from_torch,
    prefetched,
    resumable,
)
from artifact_fn.errors import CursorError, DataError
from artifact_fn.training.guards import generators
from tests.data.test_sources import Noisy

KEY, ROWS = random.key(3), 11
DATA = TensorDataset(torch.arange(ROWS * 2.0).reshape(ROWS, 2), torch.arange(ROWS))


class Counting(IterableDataset[dict[str, Tensor]]):
    """Each worker yields its share, with noise."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        info = torch.utils.data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for row in range(first, ROWS, step):
            yield {"x": torch.rand(2), "y": torch.tensor(row)}


def columns(rows: TensorDataset) -> Loader:
    return Loader(Table({"x": rows.tensors[0], "y": rows.tensors[1]}), 4)


def test_a_dataset_is_read_in_the_order_of_a_loader() -> None:
    source = from_torch(DATA, 4, names=("x", "y"))
    assert isinstance(source, TorchLoader)
    assert source.steps == 3
    assert tree.identical(list(source.batches(KEY, 2)), list(columns(DATA).batches(KEY, 2)))


def test_workers_change_nothing_but_the_process() -> None:
    before = generators()
    alone = from_torch(Noisy(), 6)
    spread = from_torch(Noisy(), 6, workers=2, context="fork")
    whole = list(alone.batches(KEY, 1))
    assert tree.identical(whole, list(spread.batches(KEY, 1)))
    assert tree.identical(whole[2:], list(spread.batches(KEY, 1, 2)))
    ahead = prefetched(from_torch(Noisy(), 6, workers=1), device="cpu")
    for batch, expected in zip(ahead.batches(KEY, 1), whole, strict=False):
        assert tree.identical(batch, expected)
        break  # and the worker ends with the thread
    assert generators() == before


def test_noise_is_new_for_every_batch_and_epoch() -> None:
    source = from_torch(Noisy(), 1, shuffle=False)
    rows = Noisy()
    noise = [
        [float(batch["x"][0, 0]) - 2 * at for at, batch in enumerate(source.batches(KEY, epoch))]
        for epoch in (1, 2)
    ]
    assert len({round(value, 4) for part in noise for value in part}) == 2 * len(rows)


def test_an_iterable_dataset_is_read_whole_or_not_at_all() -> None:
    source = from_torch(Counting(), 4)
    assert isinstance(source, TorchStream)
    assert source.steps is None
    assert not resumable(source)
    before = generators()
    first = list(source.batches(KEY, 1))
    assert [batch["y"].tolist() for batch in first] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert tree.identical(first, list(source.batches(KEY, 1)))
    assert not tree.identical(first, list(source.batches(KEY, 2)))
    assert generators() == before
    with pytest.raises(
        CursorError,
        match=r"an iterable dataset cannot be taken up in the middle of an epoch; got start=1; go",
    ):
        source.batches(KEY, 1, 1)
    assert len(list(from_torch(Counting(), 4, drop_last=True).batches(KEY, 1))) == 2
    assert len(list(from_torch(Counting(), 4, drop_last=True).batches(None, 1))) == 3


def test_workers_of_an_iterable_dataset_repeat_themselves() -> None:
    before = generators()
    source = from_torch(DataLoader(Counting(), 3, num_workers=2))
    first = list(source.batches(KEY, 1))
    assert sorted(torch.cat([batch["y"] for batch in first]).tolist()) == list(range(ROWS))
    assert tree.identical(first, list(source.batches(KEY, 1)))
    assert generators() == before


def test_an_iterable_dataset_may_yield_batches() -> None:
    source = from_torch(Counting())
    assert [batch["y"].item() for batch in source.batches(KEY, 1)] == list(range(ROWS))


def test_the_settings_of_a_loader_are_taken_over() -> None:
    def summed(items: list[Any]) -> dict[str, Tensor]:
        return {"sum": torch.stack([x for x, _ in items]).sum(0, keepdim=True)}

    theirs = DataLoader(DATA, 4, shuffle=True, drop_last=True, collate_fn=summed)
    source = from_torch(theirs)
    assert source.steps == 2
    rows = columns(DATA).order(KEY, 1)
    [first, _] = source.batches(KEY, 1)
    assert torch.equal(first["sum"][0], DATA.tensors[0][rows[:4]].sum(0))
    in_order = from_torch(DataLoader(DATA, 4), names=("x", "y"))
    assert next(iter(in_order.batches(KEY, 1)))["y"].tolist() == [0, 1, 2, 3]
    changed = from_torch(DataLoader(DATA, 4), 2, shuffle=True, drop_last=True, names=("x", "y"))
    assert changed.steps == 5
    assert sum(len(batch["y"]) for batch in changed.batches(None, 1)) == ROWS
    assert next(iter(changed.batches(KEY, 1)))["y"].tolist() == rows[:2].tolist()


def test_a_random_sampler_with_a_generator_is_not_moved() -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    source = from_torch(
        DataLoader(DATA, 4, sampler=RandomSampler(DATA, generator=generator)), names=("x", "y")
    )
    assert len(list(source.batches(KEY, 1))) == 3
    assert torch.equal(before, generator.get_state())


def test_a_dataset_that_fetches_many_items_is_asked_for_them_at_once() -> None:
    asked: list[list[int]] = []

    class Many(Dataset[Any]):
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            raise AssertionError("one by one")

        def __getitems__(self, rows: list[int]) -> list[Any]:
            asked.append(rows)
            return [DATA[row] for row in rows]

    whole = list(from_torch(Many(), 4, names=("x", "y")).batches(KEY, 1))
    assert tree.identical(whole, list(columns(DATA).batches(KEY, 1)))
    assert [len(rows) for rows in asked] == [4, 4, 3]


def test_errors_of_a_dataset_are_its_own() -> None:
    class Broken(Dataset[Any]):
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            raise KeyError("no such picture")

    before = generators()
    for source in (from_torch(Broken(), 4), from_torch(Broken(), 4, workers=1)):
        with pytest.raises(KeyError, match="no such picture"):
            list(source.batches(KEY, 1))
    assert generators() == before


class NoLength(Dataset[Any]):
    def __getitem__(self, row: int) -> Any:
        return DATA[row]


class Ordered(RandomSampler):
    """Another order under a known name."""


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no batch size": (DATA, {}, r"a map-style dataset is read in batches; got batch_size=None"),
    "no batches": (DATA, {"batch_size": 0}, r"a batch has at least 1 row; got batch_size=0"),
    "no batches of a stream": (Counting(), {"batch_size": 0}, r"a batch has at least 1 row"),
    "no whole batches of a stream": (Counting(), {"batch_size": "4"}, r"1 row; got batch_size='4'"),
    "maybe": (DATA, {"batch_size": 4, "drop_last": 1}, r"drop_last is True or False; got 1; write"),
    "perhaps": (Counting(), {"drop_last": 1}, r"drop_last is True or False; got 1"),
    "no rows": (TensorDataset(torch.zeros(0)), {"batch_size": 1}, r"has rows; got 0 rows; give"),
    "no length": (NoLength(), {"batch_size": 1}, r"has `__len__` and `__getitem__`; got a NoLeng"),
    "no dataset": (7, {"batch_size": 1}, r"has `__len__` and `__getitem__`; got a int; write both"),
    "a set": ({1, 2}, {"batch_size": 1}, r"has `__len__` and `__getitem__`; got a set"),
    "too many to drop": (DATA, {"batch_size": 99, "drop_last": True}, r"would drop every row"),
    "shuffled stream": (Counting(), {"shuffle": True}, r"an order of its own; got shuffle=True"),
    "half a worker": (DATA, {"batch_size": 1, "workers": 0.5}, r"workers are counted; got workers="),
    "a str of names": (DATA, {"batch_size": 1, "names": "xy"}, r"parts of an item have names; got"),
    "one name twice": (DATA, {"batch_size": 1, "names": ["xx"] * 2}, r"a name of its own"),
    "weights": (
        DataLoader(DATA, 4, sampler=WeightedRandomSampler([1.0] * ROWS, ROWS)),
        {},
        r"an epoch is a function of key and epoch, .* got a WeightedRandomSampler; pass the datas",
    ),
    "replacement": (
        DataLoader(DATA, 4, sampler=RandomSampler(DATA, replacement=True)),
        {},
        r"a sampler's is not; got a RandomSampler",
    ),
    "a heir": (DataLoader(DATA, 4, sampler=Ordered(DATA)), {}, r"is not; got a Ordered"),
    "batches of their own": (
        DataLoader(DATA, batch_sampler=[[0, 1], [2]]),
        {},
        r"a sampler's is not; got a list",
    ),
    "no batches at all": (DataLoader(DATA, batch_size=None), {}, r"is read in batches; got"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "options", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_is_refused(data: Any, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_torch(data, **options)


def test_items_are_given_names() -> None:
    unnamed = from_torch(DATA, 4)
    with pytest.raises(DataError, match=r"items are not; got a list; name their parts: from_torch"):
        next(iter(unnamed.batches(KEY, 1)))
    three = from_torch(DATA, 4, names=("x", "y", "z"))
    with pytest.raises(DataError, match=r"got a list of 2 parts for names=\('x', 'y', 'z'\); give"):
        next(iter(three.batches(KEY, 1)))
    with pytest.raises(DataError, match=r"has a name; got a dict for names=\('x',\)"):
        next(iter(from_torch(Noisy(), 4, names=["x"]).batches(KEY, 1)))
    single = from_torch(Subset(DATA.tensors[0], [3, 1]), 2, names=("x",), shuffle=False)  # type: ignore[arg-type]
    assert next(iter(single.batches(KEY, 1)))["x"].tolist() == [[6.0, 7.0], [2.0, 3.0]]
