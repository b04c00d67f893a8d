"""Table: what goes in, and what is refused with its name."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from artifact_fn.data import Table, place
from artifact_fn.errors import DataError


def test_columns_of_every_kind() -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [1, 2], "c": [True, False]})
    table = Table(
        {
            "tensor": torch.ones(2, 3, dtype=torch.float64),
            "float": np.zeros((2, 4)),
            "int": np.array([1, 2], dtype=np.int16),
            "unsigned": np.array([1, 2], dtype=np.uint64),
            "bool": np.array([True, False]),
            "list": [0.5, 1.5],
            "series": frame["b"],
            "nullable": pd.Series([1, 2], dtype="Int64"),
            "nullable float": pd.Series([1.5, 2.5], dtype="Float32"),
            "frame": frame,
        }
    )
    assert {name: (table[name].dtype, tuple(table[name].shape)) for name in table.names} == {
        "tensor": (torch.float64, (2, 3)),
        "float": (torch.float32, (2, 4)),
        "int": (torch.int64, (2,)),
        "unsigned": (torch.int64, (2,)),
        "bool": (torch.bool, (2,)),
        "list": (torch.float32, (2,)),
        "series": (torch.int64, (2,)),
        "nullable": (torch.int64, (2,)),
        "nullable float": (torch.float32, (2,)),
        "frame": (torch.float32, (2, 3)),
    }
    assert table["frame"].tolist() == [[1.5, 1.0, 1.0], [2.5, 2.0, 0.0]]


def test_a_frame_is_a_table_of_its_columns() -> None:
    table = Table(pd.DataFrame({"b": [1, 2], "a": [0.5, 1.5]}, index=[7, 3]))
    assert table.names == ("b", "a")
    assert table["a"].tolist() == [0.5, 1.5]


def test_what_comes_from_numpy_is_copied() -> None:
    array = np.zeros(3, dtype=np.float32)
    table = Table({"x": array})
    array[0] = 7
    assert table["x"].tolist() == [0, 0, 0]
    array.setflags(write=False)
    assert len(Table({"x": array})) == 3


def test_rows_and_selections() -> None:
    table = Table({"x": torch.arange(6).reshape(3, 2), "y": torch.arange(3)})
    rows = table.rows(torch.tensor([2, 0]))
    assert rows["x"].tolist() == [[4, 5], [0, 1]]
    assert rows["y"].tolist() == [2, 0]
    assert table.select("y").names == ("y",)
    assert repr(table) == "Table(3 rows: x [2] torch.int64, y [] torch.int64)"


def test_a_table_is_a_tree() -> None:
    assert place(Table({"x": torch.zeros(2)}), "meta")["x"].device.type == "meta"


BAD: dict[str, tuple[Any, str]] = {
    "no columns": ({}, r"a table has columns; got none; give at least one"),
    "no rows": ({"x": torch.zeros(0, 3)}, r"a table has rows; got 0 rows"),
    "ragged": (
        {"x": torch.zeros(3), "y": torch.zeros(2)},
        r"as long as each other; got 'x': 3 rows, 'y': 2 rows; drop the rows",
    ),
    "a number": ({"x": torch.tensor(1.0)}, r"the column 'x' has no rows; got a single number"),
    "objects": (
        {"x": np.array(["a", None], dtype=object)},
        r"the column 'x' is neither numbers nor booleans; got dtype object, e.g. 'a'; encode it",
    ),
    "strings": (pd.DataFrame({"s": ["u", "v"]}), r"the column 's' is neither .* e.g. 'u'"),
    "categories": (
        pd.DataFrame({"s": pd.Categorical(["u", "v"])}),
        r"the column 's' is neither numbers nor booleans; got dtype category",
    ),
    "dates": (
        pd.DataFrame({"d": pd.to_datetime(["2020-01-01", "2020-01-02"])}),
        r"the column 'd' is neither numbers nor booleans; got dtype datetime64",
    ),
    "complex": ({"x": np.array([1j])}, r"the column 'x' is neither .* got dtype complex128"),
    "NaN among integers": (
        pd.DataFrame({"age": pd.Series([1, None, 3], dtype="Int64")}),
        r"the column 'age' \(Int64\) has missing or infinite values; got 1 of them, the first in row 1",
    ),
    "NaN among nullable floats": (
        pd.DataFrame({"age": pd.Series([1.0, None], dtype="Float64")}),
        r"the column 'age' .* got 1 of them, the first in row 1; drop or fill",
    ),
    "NaN": ({"x": np.array([0.0, np.nan])}, r"the column 'x' .* 1 of them, the first in row 1"),
    "infinity": ({"x": torch.tensor([[0.0, 1.0], [torch.inf, 0.0]])}, r"the first in row 1"),
    "beyond float32": ({"x": np.array([1e300])}, r"the column 'x' .* missing or infinite"),
    "beyond int64": (
        {"x": np.array([2**63], dtype=np.uint64)},
        r"the column 'x' has integers beyond int64; got 9223372036854775808",
    ),
    "one name twice": (
        pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"]),
        r"each column has a name of its own; got 'a' more than once",
    ),
    "one name twice inside": (
        {"x": pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"])},
        r"got 'a' more than once",
    ),
    "a name that is no str": (
        pd.DataFrame(np.zeros((2, 2))),
        r"a column's name is a str; got 0; rename it",
    ),
    "a bad column of a frame": (
        {"x": pd.DataFrame({"a": [1.0], "b": ["no"]})},
        r"the column 'x/b' is neither numbers nor booleans",
    ),
}


@pytest.mark.parametrize(("columns", "message"), BAD.values(), ids=BAD.keys())
def test_bad_columns_are_refused_by_name(columns: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Table(columns)


def test_an_unknown_column_lists_those_there_are() -> None:
    table = Table({"x": torch.zeros(2), "y": torch.zeros(2)})
    for ask in (lambda: table["z"], lambda: table.select("x", "z")):
        with pytest.raises(DataError, match=r"no column 'z'; got columns 'x', 'y'; name one"):
            ask()
