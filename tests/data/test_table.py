"""Table: what goes in, and what is refused with its name."""

from decimal import Decimal
from typing import Any, NamedTuple

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


def test_columns_may_be_nested() -> None:
    class Pair(NamedTuple):
        left: Any
        right: Any

    table = Table(
        {"in": {"a": np.zeros((3, 2)), "b": (np.arange(3), [1.0, 2.0, 3.0])}, "y": [0, 1, 2]}
    )
    assert table.names == ("in", "y")
    assert len(table) == 3
    assert repr(table) == (
        "Table(3 rows: in/a [2] torch.float32, in/b/0 [] torch.int64, "
        "in/b/1 [] torch.float32, y [] torch.int64)"
    )
    rows = table.rows(torch.tensor([2, 0]))
    assert rows["in"]["b"][0].tolist() == [2, 0]
    assert table.select("in").names == ("in",)
    pair = Table({"pair": Pair(np.arange(3), np.arange(3) + 1)})
    assert pair.rows(torch.tensor([1]))["pair"].right.tolist() == [2]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4)[::-1],
        np.arange(12.0).reshape(4, 3).T,
        np.arange(24.0).reshape(3, 8)[:, ::2],
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(12, dtype=">f8").reshape(3, 4),
        np.arange(12, dtype=np.float16).reshape(3, 4),
        np.arange(12, dtype=np.longdouble).reshape(3, 4),
        np.broadcast_to(np.arange(4.0), (3, 4)),
    ],
    ids=["negative strides", "transposed", "gaps", "Fortran", "big-endian", "half", "long", "broadcast"],
)  # fmt: skip
def test_arrays_of_any_layout_are_copied_as_they_read(array: Any) -> None:
    expected = array.astype(np.float32).tolist()
    before = array.copy()
    table = Table({"x": array})
    assert table["x"].tolist() == expected
    assert table["x"].is_contiguous()
    table.rows(torch.tensor([0, 1]))["x"].zero_()
    assert table["x"].tolist() == expected
    assert np.array_equal(array, before)


def test_tensors_of_any_dtype_that_can_be_gathered_are_held() -> None:
    for dtype in (
        torch.bool,
        torch.uint8,
        torch.int32,
        torch.float16,
        torch.bfloat16,
        torch.complex64,
    ):
        assert Table({"x": torch.ones(2).to(dtype)})["x"].dtype == dtype
    for dtype in (torch.uint16, torch.uint32, torch.uint64):
        assert Table({"x": torch.tensor([1, 2], dtype=dtype)})["x"].dtype == torch.int64
    weights = torch.ones(2, requires_grad=True)
    assert not Table({"x": weights})["x"].requires_grad
    assert Table({"x": torch.tensor([1 + 2j]).conj()})["x"].tolist() == [1 - 2j]


def test_pandas_extension_dtypes() -> None:
    frame = pd.DataFrame(
        {
            "small": pd.Series([1, 2], dtype="UInt8"),
            "flag": pd.Series([True, False], dtype="boolean"),
            "sparse": pd.Series(pd.arrays.SparseArray([0.0, 1.5])),
        }
    )
    table = Table(frame)
    assert [table[name].dtype for name in table.names] == [torch.int64, torch.bool, torch.float32]
    assert table["sparse"].tolist() == [0.0, 1.5]


def test_numbers_that_are_not_finite_are_kept_if_asked_to() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": pd.Series([None, 2.5], dtype="Float64")})
    table = Table({"x": frame, "t": torch.tensor([torch.inf, 0.0])}, nonfinite="keep")
    assert table["x"].isnan().tolist() == [[False, True], [True, False]]
    assert table["t"].tolist() == [torch.inf, 0.0]
    for column in (pd.Series([1, None], dtype="Int64"), np.ma.masked_array([1, 2], [False, True])):
        with pytest.raises(DataError, match=r"'x' .* got 1 of them, the first in row 1"):
            Table({"x": column}, nonfinite="keep")  # integers have no NaN


WORSE: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], r"a table is made of columns by name; got a list; name them"),
    "a tensor": (torch.zeros(2), r"a table is made of columns by name; got a Tensor"),
    "a series": (pd.Series([1, 2]), r"a table is made of columns by name; got a Series"),
    "nothing": (None, r"a table is made of columns by name; got a NoneType"),
    "None for a column": ({"x": None}, r"the column 'x' is neither .* got dtype object, e.g. None"),
    "a tuple of numbers": ({"x": (1, 2)}, r"the column 'x/0' has no rows; .* a tuple is one of"),
    "an empty tuple": ({"x": ()}, r"a table has columns; got none"),
    "an empty mapping": ({"x": {}}, r"a table has columns; got none"),
    "ragged within": (
        {"x": {"a": [1, 2]}, "y": [1]},
        r"as long as each other; got 'x/a': 2 rows, 'y': 1 rows",
    ),
    "a list of uneven lists": ({"x": [[1], [1, 2]]}, r"the column 'x' is no array; got a list of"),
    "bytes": ({"x": np.array([b"a"])}, r"the column 'x' is neither .* got dtype \|S1"),
    "records": ({"x": np.zeros(2, dtype="i4,f4")}, r"the column 'x' is neither .* got dtype \[\("),
    "decimals": ({"x": [Decimal(1)]}, r"the column 'x' is neither .* got dtype object"),
    "a long text": ({"x": ["a" * 500]}, r"e\.g\. .{50,70}\.\.\.; encode it"),
    "complex, with what to do": (
        {"x": np.array([1j])},
        r"but complex numbers; got dtype complex128, .*; pass torch.from_numpy",
    ),
    "a series of complex": (pd.DataFrame({"x": [1j]}), r"the column 'x' .* but complex numbers"),
    "sparse": ({"x": torch.eye(2).to_sparse()}, r"the column 'x' is no dense tensor .*\.to_dense"),
    "no values": ({"x": torch.zeros(2, device="meta")}, r"'x' is no dense tensor .* meta"),
    "eight bits": (
        {"x": torch.zeros(2).to(torch.float8_e5m2)},
        r"the column 'x' has a dtype that torch cannot gather rows of; got torch.float8_e5m2",
    ),
    "uint64 tensor": (
        {"x": torch.tensor([2**63], dtype=torch.uint64)},
        r"the column 'x' has integers beyond int64",
    ),
    "masked": (
        {"x": np.ma.masked_array([1.0, 2.0], [False, True])},
        r"the column 'x' \(masked float64\) has missing .* the first in row 1",
    ),
    "a name within that is no str": ({"x": {1: [1]}}, r"a column's name is a str; got 1"),
    "levels of names": (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        r"a column's name is a str; got \('a', 'b'\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "message"), WORSE.values(), ids=WORSE.keys())
def test_what_is_no_table_is_refused(columns: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Table(columns)


def test_what_is_done_with_numbers_is_one_of_two_words() -> None:
    with pytest.raises(DataError, match=r"refused or kept; got nonfinite=True; write"):
        Table({"x": [1]}, nonfinite=True)  # type: ignore[arg-type]


def test_a_selection_names_something() -> None:
    with pytest.raises(DataError, match=r"a table has columns; got none named; name"):
        Table({"x": [1]}).select()
