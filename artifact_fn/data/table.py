"""Table: named columns of tensors with one row each, in memory."""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.data.columns import by_name, missing, tensor
from artifact_fn.errors import DataError

NonFinite = Literal["refuse", "keep"]
"""What is done with numbers that are missing (NaN) or infinite."""


@tree.node
class Table:
    """Columns that are as long as each other; row i of the table is row i of each.

    Made of a mapping from names to tensors, numpy arrays, lists, pandas Series or DataFrames
    (which become one column [N, features]), or of a single DataFrame (a column [N] each). A
    mapping or tuple of columns in the place of one is kept as it is nested, and so are batches.
    A table is a pytree, so `place(table, device)` moves it.

    What comes from numpy or pandas is copied: floating-point numbers become float32 (the
    parameters' dtype), integers int64, booleans bool. Tensors are held as they are, and are not
    to be changed afterwards.

    Attributes:
        columns: By name: tensors [N, ...], or dicts and tuples of them; N is at least 1.

    Raises:
        DataError: there are no columns or rows, lengths or devices differ, a name is no str or
            occurs twice, a column is neither numbers nor booleans, or a number is missing (NaN)
            or infinite and `nonfinite` is not "keep"; it names the column.

    Example:
        >>> import numpy as np
        >>> table = Table({"x": np.zeros((4, 3)), "y": np.array([0, 1, 0, 1])})
        >>> len(table), table["x"].dtype, table.names
        (4, torch.float32, ('x', 'y'))
        >>> Table({"x": {"age": [31.0, float("nan")]}}, nonfinite="keep")
        Table(2 rows: x/age [] torch.float32)
    """

    columns: dict[str, Any]

    def __init__(
        self, columns: Mapping[str, Any] | pd.DataFrame, *, nonfinite: NonFinite = "refuse"
    ) -> None:
        if not isinstance(columns, Mapping | pd.DataFrame):
            raise DataError(
                "a table is made of columns by name",
                got=f"a {type(columns).__name__}",
                do="name them: Table({'x': x, 'y': y})",
            )
        if nonfinite not in ("refuse", "keep"):
            raise DataError(
                "numbers that are not finite are refused or kept",
                got=f"nonfinite={nonfinite!r}",
                do="write nonfinite='refuse' or nonfinite='keep'",
            )
        made = {name: _nested(name, values) for name, values in by_name(columns).items()}
        found = tree.paths(made)
        _same_rows(found)
        if nonfinite == "refuse":
            for path, column in found.items():
                _finite(path, column)
        object.__setattr__(self, "columns", made)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.columns)

    @property
    def device(self) -> torch.device:
        """Where the columns are."""
        first: Tensor = tree.leaves(self.columns)[0]
        return first.device

    def __len__(self) -> int:
        return len(tree.leaves(self.columns)[0])

    def __getitem__(self, name: str) -> Any:
        """One column: a tensor [N, ...], or a tree of them.

        Raises:
            DataError: there is no such column.
        """
        return self.select(name).columns[name]

    def select(self, *names: str) -> "Table":
        """The table of some of the columns.

        Raises:
            DataError: there is no such column, or none is named.
        """
        if not names:
            raise DataError("a table has columns", got="none named", do="name at least one")
        for name in names:
            if name not in self.columns:
                raise DataError(
                    f"a table has no column {name!r}",
                    got=f"columns {', '.join(map(repr, self.columns))}",
                    do="name one of them",
                )
        return tree.replace(self, columns={name: self.columns[name] for name in names})

    def rows(self, indices: Tensor) -> dict[str, Any]:
        """Some rows of every column, copied: `indices` int64 [B] to tensors [B, ...]."""
        some: dict[str, Any] = tree.map(lambda c: c.index_select(0, indices), self.columns)
        return some

    def __repr__(self) -> str:
        parts = (f"{p} {list(c.shape[1:])} {c.dtype}" for p, c in tree.paths(self.columns).items())
        return f"Table({len(self)} rows: {', '.join(parts)})"


def _nested(path: str, values: Any) -> Any:
    if isinstance(values, Mapping):
        return {k: _nested(f"{path}/{k}", part) for k, part in by_name(values).items()}
    if isinstance(values, tuple):
        parts = [_nested(f"{path}/{i}", part) for i, part in enumerate(values)]
        return getattr(type(values), "_make", tuple)(parts)  # named tuples keep their names
    return tensor(path, values)


def _same_rows(columns: Mapping[str, Tensor]) -> None:
    if not columns:
        raise DataError("a table has columns", got="none", do="give at least one")
    for name, column in columns.items():
        if column.ndim == 0:
            raise DataError(
                f"the column {name!r} has no rows",
                got="a single number",
                do="give one a row; rows are a list or an array, a tuple is one of columns",
            )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "the columns of a table are as long as each other",
            got=", ".join(f"{name!r}: {length} rows" for name, length in lengths.items()),
            do="drop the rows that some of them lack",
        )
    if 0 in lengths.values():
        raise DataError("a table has rows", got="0 rows", do="give at least one")
    devices = {name: column.device for name, column in columns.items()}
    if len(set(devices.values())) > 1:
        raise DataError(
            "the columns of a table are on one device",
            got=", ".join(f"{name!r}: {device}" for name, device in devices.items()),
            do="make the table of CPU tensors and move it whole: place(table, device)",
        )


def _finite(name: str, column: Tensor) -> None:
    bad = ~torch.isfinite(column)
    if bad.any():
        raise missing(name, int(bad.nonzero()[0, 0]), int(bad.sum()), str(column.dtype))
