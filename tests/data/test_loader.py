"""Loader: an order that is a function of key and epoch, read from anywhere."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn import random, tree
from artifact_fn.data import Loader, Table
from artifact_fn.errors import DataError

KEY = random.key(3)


def loader(rows: int, size: int, **options: Any) -> Loader:
    return Loader(Table({"x": torch.arange(rows), "y": torch.arange(rows) * 2}), size, **options)


@given(st.integers(1, 20), st.integers(1, 7), st.booleans(), st.booleans(), st.data())
def test_an_epoch_read_from_its_middle_goes_on_as_it_would_have(
    rows: int, size: int, shuffle: bool, drop_last: bool, data: st.DataObject
) -> None:
    if drop_last and size > rows:
        return
    source = loader(rows, size, shuffle=shuffle, drop_last=drop_last)
    whole = list(source.batches(KEY, 2))
    assert len(whole) == source.steps
    start = data.draw(st.integers(0, source.steps))
    assert tree.identical(list(source.batches(KEY, 2, start)), whole[start:])
    seen = torch.cat([batch["x"] for batch in whole]).sort().values
    assert all(torch.equal(batch["y"], 2 * batch["x"]) for batch in whole)
    if not drop_last:
        assert seen.tolist() == list(range(rows))


def test_every_epoch_has_an_order_of_its_own_and_keeps_it() -> None:
    source = loader(50, 8)
    orders = [tuple(source.order(KEY, epoch).tolist()) for epoch in range(1, 6)]
    assert len(set(orders)) == 5
    assert orders[2] == tuple(source.order(KEY, 3).tolist())
    assert orders[0] != tuple(source.order(random.key(4), 1).tolist())


def test_without_a_key_or_shuffling_rows_come_as_they_are() -> None:
    assert loader(5, 2).order(None, 1).tolist() == [0, 1, 2, 3, 4]
    assert loader(5, 2, shuffle=False).order(KEY, 1).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "8"])
def test_a_batch_has_rows(size: Any) -> None:
    with pytest.raises(DataError, match=r"a batch has at least 1 row; got batch_size=.*; give 1"):
        loader(4, size)


def test_dropping_every_row_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"would drop every row; got batch_size=5 for 4 rows; lower"
    ):
        loader(4, 5, drop_last=True)
    assert loader(4, 5).steps == 1


@pytest.mark.parametrize("table", [{"x": torch.zeros(3)}, torch.zeros(3), None])
def test_a_loader_reads_a_table(table: Any) -> None:
    with pytest.raises(
        DataError, match=r"a loader reads a table; got a .*; wrap it: Loader\(Table"
    ):
        Loader(table, 2)


@pytest.mark.parametrize("option", ["shuffle", "drop_last"])
def test_a_switch_is_a_bool(option: str) -> None:
    with pytest.raises(DataError, match=rf"{option} is True or False; got 1; write {option}=True"):
        loader(4, 2, **{option: 1})


@pytest.mark.parametrize("shuffle", [True, False])
def test_what_is_dropped_from_training_is_still_evaluated_and_predicted(shuffle: bool) -> None:
    source = loader(22, 4, shuffle=shuffle, drop_last=True)
    assert sum(len(batch["x"]) for batch in source.batches(KEY, 1)) == 20
    plain = list(source.batches(None, 1))
    assert torch.cat([batch["x"] for batch in plain]).tolist() == list(range(22))
    assert tree.identical(list(source.batches(None, 1, 5)), plain[5:])
