"""Frames: tables of some columns of a pandas DataFrame, or of a parquet file."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from artifact_fn.data.table import NonFinite, Table
from artifact_fn.errors import DataError

Selection = Sequence[str] | Mapping[str, str | Sequence[str]] | None
"""Columns to take: some by name, or what a table's columns are made of; None for all."""


def from_frame(
    frame: pd.DataFrame, columns: Selection = None, *, nonfinite: NonFinite = "refuse"
) -> Table:
    """A table of some columns of a frame.

    Args:
        frame: Any index; its order is kept.
        columns: A list of names gives each a column [N]. A mapping makes columns: of a name one
            [N], of a list of names one [N, features]. None takes all.
        nonfinite: As in `Table`.

    Raises:
        DataError: the frame has no such column, or as in `Table`.

    Example:
        >>> frame = pd.DataFrame({"age": [31, 45], "income": [2.5, 3.0], "bought": [0, 1]})
        >>> from_frame(frame, {"x": ["age", "income"], "y": "bought"})
        Table(2 rows: x [2] torch.float32, y [] torch.int64)
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            "a table is made of a frame", got=f"a {type(frame).__name__}", do="pass a DataFrame"
        )
    if columns is None:
        return Table(frame, nonfinite=nonfinite)
    wanted = _wanted(columns)
    for name in wanted:
        if name not in frame.columns:
            raise _no_column(name, list(map(str, frame.columns)))
    # Unwanted columns may have any names, wanted ones are checked by the table.
    if not isinstance(columns, Mapping):
        return Table(frame[wanted], nonfinite=nonfinite)
    made: dict[str, Any] = {
        name: _one(frame, part) if isinstance(part, str) else frame[list(part)]
        for name, part in columns.items()
    }
    return Table(made, nonfinite=nonfinite)


def from_parquet(
    file: str | Path, columns: Selection = None, *, nonfinite: NonFinite = "refuse"
) -> Table:
    """A table of some columns of a parquet file, which are the only ones read.

    Args:
        file: Its path, or a folder of files of one schema.
        columns: As in `from_frame`.
        nonfinite: As in `Table`.

    Raises:
        DataError: pyarrow is not installed, the file is not there or is no parquet, or as in
            `from_frame`.

    Example:
        >>> from_parquet("no.parquet")
        Traceback (most recent call last):
            ...
        artifact_fn.errors.DataError: ...
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError as cause:
        raise DataError(
            "a parquet file is read by pyarrow, which is not installed",
            got=str(cause),
            do="pip install 'artifact-fn[parquet]'",
        ) from cause
    try:
        known = parquet.ParquetDataset(file).schema.names
        wanted = None if columns is None else _wanted(columns)
        for name in wanted or ():
            if name not in known:
                raise _no_column(name, known)
        frame = pd.read_parquet(file, engine="pyarrow", columns=wanted)
    except (OSError, ValueError) as cause:  # pyarrow's own errors are ValueErrors
        raise DataError(
            "the parquet file cannot be read",
            got=f"{str(file)!r}: {str(cause).splitlines()[0]}",
            do="check the path, and that the file was written whole",
        ) from cause
    return from_frame(frame, columns, nonfinite=nonfinite)


def _wanted(columns: Any) -> list[str]:
    """The names of a selection, each once.

    Raises:
        DataError: it is none.
    """
    parts = list(columns.values()) if isinstance(columns, Mapping) else [columns]
    names: list[str] = []
    for part in parts:
        whole = [part] if isinstance(part, str) and isinstance(columns, Mapping) else part
        if isinstance(whole, str) or not isinstance(whole, Sequence) or not whole:
            raise DataError(
                "columns are chosen by name",
                got=f"columns={columns!r}",
                do="write ['age', 'income'], or {'x': ['age', 'income'], 'y': 'bought'}",
            )
        names += whole
    return list(dict.fromkeys(names))


def _one(frame: pd.DataFrame, name: str) -> Any:
    found: Any = frame[name]
    if isinstance(found, pd.DataFrame):
        raise DataError(
            "each column has a name of its own",
            got=f"{name!r} more than once",
            do="rename or drop one of them",
        )
    return found


def _no_column(name: Any, known: list[str]) -> DataError:
    close = get_close_matches(str(name), known, n=1)
    shown = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
    return DataError(
        f"there is no column {name!r}",
        got=f"columns {shown or 'none'}",
        do=f"did you mean {close[0]!r}?" if close else "name one of them",
    )
