"""Frames: pandas DataFrames as plain parts, without pickle."""

from typing import Any

import numpy as np
import pandas as pd

from artifact_fn.errors import DataError


def parts_of(frame: pd.DataFrame, path: str) -> dict[str, Any]:
    """A frame's columns and index, as arrays of numbers or lists of text.

    Raises:
        DataError: a column is neither numbers, booleans nor text; names it.

    Example:
        >>> parts_of(pd.DataFrame({"a": [1.5]}), "it")["columns"]
        [('a', 'float64', array([1.5]))]
    """
    if isinstance(frame.index, pd.MultiIndex) or isinstance(frame.columns, pd.MultiIndex):
        raise _refused(path, "a MultiIndex")
    columns = [
        (name, *_values(frame.iloc[:, i], f"{path}[{name!r}]"))
        for i, name in enumerate(frame.columns)
    ]
    index = frame.index
    is_range = isinstance(index, pd.RangeIndex)
    return {
        "columns": columns,
        "names": (str(frame.columns.dtype), frame.columns.name),
        "index": (index.start, index.stop, index.step)
        if isinstance(index, pd.RangeIndex)
        else _values(index.to_series(), f"the index of {path}"),
        "range": is_range,
        "name": index.name,
    }


def frame_of(parts: dict[str, Any]) -> pd.DataFrame:
    """Undo `parts_of`."""
    index = pd.RangeIndex(*parts["index"]) if parts["range"] else pd.Index(_series(*parts["index"]))
    index.name = parts["name"]
    series = [_series(dtype, values) for _, dtype, values in parts["columns"]]
    frame = pd.DataFrame(dict(enumerate(series)))
    frame.index = index if len(index) or not series else index[:0]
    dtype, name = parts["names"]
    labels = [label for label, _, _ in parts["columns"]]
    frame.columns = (
        pd.RangeIndex(len(labels))
        if labels == list(range(len(labels)))
        else pd.Index(labels, dtype=dtype)
    )
    frame.columns.name = name
    return frame


def _values(series: "pd.Series[Any]", path: str) -> tuple[str, Any]:
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biufcmM":
        return str(dtype), series.to_numpy()
    plain = [None if value is pd.NA else value for value in series.tolist()]
    if all(value is None or type(value) in (str, bool, int, float) for value in plain) and (
        str(dtype) in ("object", "str", "string")
    ):
        return str(dtype), plain
    raise _refused(path, f"a column of {dtype}")


def _series(dtype: str, values: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype=dtype)


def _refused(path: str, got: str) -> DataError:
    return DataError(
        f"{path} cannot be saved",
        got=got,
        do="keep numbers, booleans and text in frames, under a plain index",
    )
