"""Frames: columns of a DataFrame as plain arrays, with complaints that name what is wrong.

Nothing here changes a frame. A complaint says which column of which table, which value in which
row (counted from 0, whatever the index), and what to do.
"""

import datetime
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artifact_fn.errors import DataError

EXACT = 2**53
"""Integers beyond it are not all float64."""


def check_frame(frame: Any, names: Sequence[str], table: str) -> None:
    """Complain unless a frame has rows and each of the named columns once.

    Args:
        frame: Perhaps a DataFrame; further columns are ignored.
        names: The columns it needs.
        table: What to call it in messages, e.g. `"the real table"`.

    Raises:
        DataError: it is no DataFrame, has no rows, or lacks or repeats a column.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"{table} is a pandas DataFrame",
            got=type(frame).__name__,
            do="make one, e.g. with pandas.DataFrame(...)",
        )
    held = list(frame.columns)
    for name in names:
        if held.count(name) > 1:
            raise DataError(
                f"{table} has each column once",
                got=f"{name!r} {held.count(name)} times",
                do="rename or drop one of them",
            )
    missing = [name for name in names if name not in held]
    if missing:
        raise DataError(
            f"{table} has every column of its specification",
            got=f"no {', '.join(map(repr, missing))} among {', '.join(map(repr, held))}",
            do="add or rename the column, or make the specification without it",
        )
    if not len(frame):
        raise DataError(f"{table} has rows", got="0 rows", do="give at least one")


def floats(series: "pd.Series[Any]", column: str) -> NDArray[np.float64]:
    """A continuous column, float64 [N].

    Args:
        series: Numbers or booleans of any dtype that pandas has for them.
        column: What to call it in messages, e.g. `"the continuous column 'age'"`.

    Raises:
        DataError: a value is missing, infinite, no number, or an integer beyond 2^53.
    """
    _no_missing(series, column)
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype) or dtype.kind not in "biufO":
        raise _no_number(column, series.iloc[0], 0, str(dtype))
    if dtype.kind == "O":
        for row, value in enumerate(series):
            if not isinstance(value, numbers.Real | np.bool_):
                raise _no_number(column, value, row, type(value).__name__)
        # Element by element: Python's integers know no bounds.
        for row, value in enumerate(series):
            if isinstance(value, numbers.Integral) and abs(int(value)) > EXACT:
                raise _too_large(column, int(value), row)
    values = series.to_numpy()
    if dtype.kind in "iu":
        whole = np.asarray(values, dtype=np.uint64 if dtype.kind == "u" else np.int64)
        # abs() of the least int64 is itself, hence both sides.
        beyond = whole > EXACT if dtype.kind == "u" else (whole > EXACT) | (whole < -EXACT)
        if beyond.any():
            row = int(beyond.argmax())
            raise _too_large(column, int(whole[row]), row)
    array = np.array(values, dtype=np.float64)
    infinite = np.isinf(array)
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(
            f"{column} has infinite values",
            got=f"{array[row]} in row {row} ({int(infinite.sum())} in all)",
            do="drop those rows, or clip the column to what can occur",
        )
    return array


def texts(series: "pd.Series[Any]", column: str) -> tuple[NDArray[np.int64], list[str]]:
    """A categorical column as numbered texts.

    A text is `str` of the value, a whole number being written without a point, so that the column
    1.0, 0.0 has the categories of the column 1, 0.

    Args:
        series: Texts, numbers, booleans, dates or a pandas categorical; one kind of them.
        column: What to call it in messages.

    Returns:
        Codes int64 [N] and the texts that they number: those of a pandas categorical in its order,
        others sorted by value.

    Raises:
        DataError: a value is missing, infinite, or of another kind than the others.
    """
    _no_missing(series, column)
    if isinstance(series.dtype, pd.CategoricalDtype):
        values = list(series.cat.categories)
        codes = series.cat.codes.to_numpy(dtype=np.int64)
        _one_kind(values, column, "category")
    elif series.dtype == object:
        kind = _one_kind(list(series), column, "row")
        numbered, uniques = pd.factorize(series)
        # A date and a time stamp are of one kind, and still cannot be compared.
        by: Callable[[Any], Any] = str if kind in ("date", "interval") else lambda value: value
        order = sorted(range(len(uniques)), key=lambda i: by(uniques[i]))
        values, codes = [uniques[i] for i in order], np.argsort(order)[numbered]
    else:
        numbered, uniques = pd.factorize(series, sort=True)
        values, codes = list(uniques), numbered
        _one_kind(values, column, "row")
    return np.asarray(codes, dtype=np.int64), [_text(value, column) for value in values]


def is_number(series: "pd.Series[Any]") -> bool:
    """Whether a column is of a numeric dtype, booleans excepted."""
    return (
        not isinstance(series.dtype, pd.CategoricalDtype)
        and getattr(series.dtype, "kind", "O") in "iuf"
    )


def _no_missing(series: "pd.Series[Any]", column: str) -> None:
    missing = np.asarray(series.isna())
    if missing.any():
        row = int(missing.argmax())
        raise DataError(
            f"{column} has missing values",
            got=f"{series.iloc[row]} in row {row} ({int(missing.sum())} in all)",
            do="drop those rows or fill them; a category of their own is as good as any",
        )


def _one_kind(values: list[Any], column: str, place: str) -> str:
    first = _kind(values[0], column)
    for row, value in enumerate(values):
        if type(value) is not type(values[0]) and _kind(value, column) != first:
            raise DataError(
                f"{column} mixes types",
                got=f"{values[0]!r} ({first}) in {place} 0 and {value!r} ({_kind(value, column)})"
                f" in {place} {row}",
                do="cast it to one type, e.g. frame[name].astype(str)",
            )
    return first


def _kind(value: Any, column: str) -> str:
    for kind, types in KINDS.items():
        if isinstance(value, types):
            return kind
    raise DataError(
        f"{column} holds texts, numbers, booleans or dates",
        got=f"{value!r} ({type(value).__name__})",
        do="cast it, e.g. frame[name].astype(str)",
    )


KINDS: dict[str, Any] = {
    "text": str,
    "boolean": bool | np.bool_,
    "number": numbers.Real,
    "date": datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64 | pd.Period,
    "interval": pd.Interval,
}
"""In the order in which they are asked: a bool is a number too."""


def _text(value: Any, column: str) -> str:
    if isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_):
        exact = value if isinstance(value, numbers.Integral) else float(value)
        if not np.isfinite(float(value)):
            raise DataError(
                f"{column} has infinite values",
                got=repr(value),
                do="drop those rows, or give them a category of their own",
            )
        return str(int(exact)) if exact == int(exact) else repr(exact)
    return str(value)


def _no_number(column: str, value: Any, row: int, kind: str) -> DataError:
    return DataError(
        f"{column} holds something else than numbers",
        got=f"{value!r} ({kind}) in row {row}",
        do="convert it, e.g. with pandas.to_numeric, or name it categorical",
    )


def _too_large(column: str, value: int, row: int) -> DataError:
    return DataError(
        f"{column} has integers that float64 cannot tell apart",
        got=f"{value} in row {row}, beyond 2^53",
        do="count from another zero, or name it categorical",
    )
