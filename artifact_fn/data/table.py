"""Table: named columns of tensors with one row each, in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import DataError


@tree.node
class Table:
    """Columns that are as long as each other; row i of the table is row i of each.

    Made of a mapping from names to tensors, numpy arrays, pandas Series or DataFrames (which
    become one column [N, features]), or of a single DataFrame (a column [N] each). A table is
    a pytree, so `place(table, device)` moves it.

    What comes from numpy or pandas is copied: floating-point numbers become float32 (the
    parameters' dtype), integers int64, booleans bool. Tensors are held as they are, and are not
    to be changed afterwards.

    Attributes:
        columns: Tensors [N, ...] by name, N at least 1.

    Raises:
        DataError: there are no columns or rows, lengths differ, a name is no str or occurs
            twice, a column is neither numbers nor booleans, or a number is missing (NaN) or
            infinite; it names the column.

    Example:
        >>> table = Table({"x": np.zeros((4, 3)), "y": np.array([0, 1, 0, 1])})
        >>> len(table), table["x"].dtype, table.names
        (4, torch.float32, ('x', 'y'))
    """

    columns: dict[str, Tensor]

    def __init__(self, columns: Mapping[str, Any] | pd.DataFrame) -> None:
        named = _of_frame(columns) if isinstance(columns, pd.DataFrame) else dict(columns)
        for name in named:
            if not isinstance(name, str):
                raise DataError(
                    "a column's name is a str", got=repr(name), do="rename it, e.g. to str(name)"
                )
        tensors = {name: _tensor(name, values) for name, values in named.items()}
        _same_length(tensors)
        object.__setattr__(self, "columns", tensors)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> Tensor:
        """One column.

        Raises:
            DataError: there is no such column.
        """
        return self.select(name).columns[name]

    def select(self, *names: str) -> "Table":
        """The table of some of the columns.

        Raises:
            DataError: there is no such column.
        """
        for name in names:
            if name not in self.columns:
                raise DataError(
                    f"a table has no column {name!r}",
                    got=f"columns {', '.join(map(repr, self.columns))}",
                    do="name one of them",
                )
        return tree.replace(self, columns={name: self.columns[name] for name in names})

    def rows(self, indices: Tensor) -> dict[str, Tensor]:
        """Some rows of every column: `indices` int64 [B] to tensors [B, ...]."""
        return {name: column.index_select(0, indices) for name, column in self.columns.items()}

    def __repr__(self) -> str:
        columns = ", ".join(f"{n} {list(c.shape[1:])} {c.dtype}" for n, c in self.columns.items())
        return f"Table({len(self)} rows: {columns})"


def _of_frame(frame: pd.DataFrame) -> dict[Any, Any]:
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(
            "each column has a name of its own",
            got=f"{twice[0]!r} more than once",
            do="rename or drop one of them",
        )
    return {name: frame[name] for name in frame.columns}


def _same_length(tensors: Mapping[str, Tensor]) -> None:
    if not tensors:
        raise DataError("a table has columns", got="none", do="give at least one")
    for name, column in tensors.items():
        if column.ndim == 0:
            raise DataError(
                f"the column {name!r} has no rows", got="a single number", do="give one a row"
            )
    lengths = {name: len(column) for name, column in tensors.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "the columns of a table are as long as each other",
            got=", ".join(f"{name!r}: {length} rows" for name, length in lengths.items()),
            do="drop the rows that some of them lack",
        )
    if 0 in lengths.values():
        raise DataError("a table has rows", got="0 rows", do="give at least one")


def _tensor(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor):
        tensor = values.detach()
    elif isinstance(values, pd.DataFrame):
        parts = [_of_series(f"{name}/{part}", column) for part, column in _of_frame(values).items()]
        tensor = (
            torch.stack([part.to(_widest(parts)) for part in parts], 1) if parts else torch.zeros(0)
        )
    elif isinstance(values, pd.Series):
        tensor = _of_series(name, values)
    else:
        tensor = _of_array(name, np.asarray(values))
    _no_missing(name, tensor)
    return tensor


def _widest(parts: list[Tensor]) -> torch.dtype:
    dtypes = {part.dtype for part in parts}
    for dtype in (torch.float32, torch.int64):
        if dtype in dtypes:
            return dtype
    return torch.bool


def _of_series(name: str, series: "pd.Series[Any]") -> Tensor:
    missing = series.isna()
    if missing.any() and not pd.api.types.is_float_dtype(series.dtype):
        raise _missing(
            name, int(missing.to_numpy().argmax()), int(missing.sum()), str(series.dtype)
        )
    kinds = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}
    kind = getattr(series.dtype, "kind", "O")
    if kind not in kinds or isinstance(series.dtype, pd.CategoricalDtype):
        raise _no_number(name, str(series.dtype), series.iloc[0] if len(series) else None)
    # pandas' own nullable floats keep NA beside the numbers; as NaN it is found below.
    numbers = series.fillna(np.nan) if kind == "f" else series
    return _of_array(name, numbers.to_numpy(dtype=kinds[kind]))


def _of_array(name: str, array: NDArray[Any]) -> Tensor:
    kind = array.dtype.kind
    if kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise DataError(
            f"the column {name!r} has integers beyond int64",
            got=f"{int(array.max())}",
            do="count from another zero, or cast it to a floating-point dtype",
        )
    targets = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float32}
    if kind not in targets:
        raise _no_number(name, str(array.dtype), array.flat[0] if array.size else None)
    with np.errstate(over="ignore"):  # what overflows float32 is found as infinite
        return torch.from_numpy(array.astype(targets[kind], order="C", copy=True))


def _no_number(name: str, dtype: str, example: Any) -> DataError:
    return DataError(
        f"the column {name!r} is neither numbers nor booleans",
        got=f"dtype {dtype}, e.g. {example!r}",
        do="encode it, e.g. with pandas.factorize",
    )


def _no_missing(name: str, column: Tensor) -> None:
    bad = ~torch.isfinite(column)
    if bad.any():
        row = int(bad.nonzero()[0, 0]) if column.ndim else 0
        raise _missing(name, row, int(bad.sum()), str(column.dtype))


def _missing(name: str, row: int, count: int, dtype: str) -> DataError:
    return DataError(
        f"the column {name!r} ({dtype}) has missing or infinite values",
        got=f"{count} of them, the first in row {row}",
        do="drop or fill them, with a column that says where they were if that matters",
    )
