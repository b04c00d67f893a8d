"""Cross-validation: splits of one size, each row validated once at most."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn.data import Table, cross_validation
from artifact_fn.errors import DataError


@given(st.integers(2, 6), st.integers(6, 50), st.integers(0, 5))
def test_splits_are_apart_and_of_one_size(splits: int, rows: int, seed: int) -> None:
    found = cross_validation(Table({"x": torch.arange(rows)}), splits, seed=seed)
    validated = [row for _, val in found for row in val["x"].tolist()]
    assert len(validated) == len(set(validated)) == splits * (rows // splits)
    for train, val in found:
        assert len(val) == rows // splits
        assert sorted([*train["x"].tolist(), *val["x"].tolist()]) == list(range(rows))


def test_classes_are_dealt_evenly() -> None:
    y = torch.tensor([0] * 30 + [1] * 10)
    for _, val in cross_validation(Table({"y": y}), 5, stratify="y"):
        assert val["y"].sum() == 2


def test_what_cannot_be_split_is_refused() -> None:
    table = Table({"x": torch.zeros(3, 2)})
    for splits in (1, 4, True):
        with pytest.raises(DataError, match="split in 2 parts at least, of 1 row at least; got"):
            cross_validation(table, splits)
    with pytest.raises(DataError, match="by a column of one value a row; got stratify='x'"):
        cross_validation(table, 3, stratify="x")
