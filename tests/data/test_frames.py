"""Frames: some columns of a frame or of a parquet file."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artifact_fn import tree
from artifact_fn.data import from_frame, from_parquet
from artifact_fn.errors import DataError

FRAME = pd.DataFrame(
    {"age": [31, 45, 27], "income": [2.5, 3.0, 1.0], "bought": [True, False, True], "name": list("abc")},
    index=[5, 6, 7],
)  # fmt: skip
needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is an extra"
)


def test_columns_are_chosen_by_name() -> None:
    table = from_frame(FRAME, ["income", "age"])
    assert table.names == ("income", "age")
    assert table["age"].tolist() == [31, 45, 27]
    made = from_frame(FRAME, {"x": ["age", "income"], "y": "bought"})
    assert made["x"].tolist() == [[31.0, 2.5], [45.0, 3.0], [27.0, 1.0]]
    assert made["y"].tolist() == [True, False, True]
    assert tree.identical(from_frame(FRAME[["age"]]), from_frame(FRAME, ["age"]))


BAD: dict[str, tuple[Any, Any, str]] = {
    "no frame": ([1], None, r"a table is made of a frame; got a list; pass a DataFrame"),
    "a misspelt name": (
        FRAME,
        ["incom"],
        r"there is no column 'incom'; .* did you mean 'income'\?",
    ),
    "an unknown name": (
        FRAME,
        {"x": "zzz"},
        r"no column 'zzz'; got columns 'age', .*; name one of",
    ),
    "a str": (FRAME, "age", r"columns are chosen by name; got columns='age'; write \['age'"),
    "none": (FRAME, [], r"columns are chosen by name; got columns=\[\]"),
    "none within": (FRAME, {"x": []}, r"columns are chosen by name; got columns={'x': \[\]}"),
    "an empty mapping": (FRAME, {}, r"a table has columns; got none"),
    "a number": (FRAME, {"x": 1}, r"columns are chosen by name; got columns={'x': 1}"),
    "strings": (FRAME, {"x": ["age", "name"]}, r"the column 'x/name' is neither numbers nor bool"),
    "all": (FRAME, None, r"the column 'name' is neither numbers nor booleans"),
    "one name twice": (
        pd.concat([FRAME, FRAME], axis=1),
        {"x": "age"},
        r"each column has a name of its own; got 'age' more than once",
    ),
    "one name twice, as features": (
        pd.concat([FRAME, FRAME], axis=1),
        {"x": ["age"]},
        r"each column has a name of its own; got 'age' more than once",
    ),
}


@pytest.mark.parametrize(("frame", "columns", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_not_there_is_refused(frame: Any, columns: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_frame(frame, columns)


def test_numbers_that_are_not_finite_are_kept_if_asked_to() -> None:
    frame = pd.DataFrame({"a": [1.0, None]})
    assert from_frame(frame, ["a"], nonfinite="keep")["a"].isnan().tolist() == [False, True]
    with pytest.raises(DataError, match=r"the column 'a' .* the first in row 1"):
        from_frame(frame)


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        DataError,
        match=r"read by pyarrow, which is not installed; got .*; pip install 'artifact-fn\[",
    ):
        from_parquet("x.parquet")


@needs_pyarrow
def test_a_parquet_file_is_the_frame_it_was(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    FRAME.to_parquet(file)
    columns = {"x": ["age", "income"], "y": "bought"}
    assert tree.identical(from_parquet(file, columns), from_frame(FRAME, columns))
    assert from_parquet(str(file), ["age"]).names == ("age",)
    with pytest.raises(DataError, match=r"no column 'agee'; got .*; did you mean 'age'\?"):
        from_parquet(file, ["agee"])
    with pytest.raises(DataError, match=r"the column 'name' is neither numbers nor booleans"):
        from_parquet(file)


@needs_pyarrow
def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("age,income")
    for name in ("missing.parquet", "text.parquet"):
        with pytest.raises(DataError, match=rf"cannot be read; got '.*{name}': .*; check the path"):
            from_parquet(tmp_path / name)
