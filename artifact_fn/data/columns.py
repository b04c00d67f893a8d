"""Columns: tensors of what people hold their data in, or the reason why not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from artifact_fn.errors import DataError

DTYPES = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float32}
"""What arrays become, by the kind of their dtype: the dtype of parameters, and torch's indices."""

_WIDENED = {torch.uint16, torch.uint32, torch.uint64}
_GATHERED = {
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
}  # fmt: skip


def by_name(columns: Mapping[Any, Any] | pd.DataFrame) -> dict[Any, Any]:
    """Columns by name, of a frame too.

    Raises:
        DataError: a name occurs twice, or is no str.
    """
    if isinstance(columns, pd.DataFrame):
        twice = columns.columns[columns.columns.duplicated()]
        if len(twice):
            raise DataError(
                "each column has a name of its own",
                got=f"{twice[0]!r} more than once",
                do="rename or drop one of them",
            )
        columns = {name: columns[name] for name in columns.columns}
    for name in columns:
        if not isinstance(name, str):
            raise DataError(
                "a column's name is a str", got=repr(name), do="rename it, e.g. to str(name)"
            )
    return dict(columns)


def tensor(name: str, values: Any) -> Tensor:
    """A column's values: a tensor as it is, everything else as a copy in one of `DTYPES`.

    Raises:
        DataError: they are neither numbers nor booleans, or have no rows.
    """
    if isinstance(values, Tensor):
        return _of_tensor(name, values)
    if isinstance(values, pd.DataFrame):
        parts = [_of_series(f"{name}/{part}", column) for part, column in by_name(values).items()]
        return torch.stack([p.to(_widest(parts)) for p in parts], 1) if parts else torch.zeros(0)
    if isinstance(values, pd.Series):
        return _of_series(name, values)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise missing(
            name, int(np.ma.getmaskarray(values).nonzero()[0][0]), int(np.ma.getmaskarray(values).sum()),
            f"masked {values.dtype}",
        )  # fmt: skip
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as cause:
        raise DataError(
            f"the column {name!r} is no array",
            got=f"a {type(values).__name__} of parts that do not fit together ({cause})",
            do="pad them to one shape, or stack them yourself",
        ) from cause
    return _of_array(name, array)


def _of_tensor(name: str, values: Tensor) -> Tensor:
    held = values.detach().resolve_conj().resolve_neg()
    if held.layout != torch.strided or held.is_quantized or held.is_nested or held.is_meta:
        raise DataError(
            f"the column {name!r} is no dense tensor with values",
            got="a nested tensor"
            if held.is_nested
            else f"{held.layout} {held.dtype} {held.device}",
            do="make it dense, e.g. with .to_dense(), .dequantize() or padding",
        )
    if held.dtype in _WIDENED:  # torch cannot gather them
        return _of_array(name, held.cpu().numpy()).to(held.device)
    if held.dtype not in _GATHERED:
        raise DataError(
            f"the column {name!r} has a dtype that torch cannot gather rows of",
            got=str(held.dtype),
            do="cast it, e.g. with .float()",
        )
    return held


def _widest(parts: list[Tensor]) -> torch.dtype:
    dtypes = {part.dtype for part in parts}
    for dtype in (torch.float32, torch.int64):
        if dtype in dtypes:
            return dtype
    return torch.bool


def _of_series(name: str, series: "pd.Series[Any]") -> Tensor:
    absent = series.isna()
    if absent.any() and not pd.api.types.is_float_dtype(series.dtype):
        raise missing(name, int(absent.to_numpy().argmax()), int(absent.sum()), str(series.dtype))
    kinds = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}
    kind = getattr(series.dtype, "kind", "O")
    if kind not in kinds or isinstance(series.dtype, pd.CategoricalDtype):
        raise no_number(name, series.dtype, series.iloc[0] if len(series) else None)
    # pandas' own nullable floats keep NA beside the numbers; as NaN it is found later.
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
    if kind not in DTYPES:
        raise no_number(name, array.dtype, array.flat[0] if array.size else None)
    with np.errstate(over="ignore"):  # what overflows float32 is found as infinite
        return torch.from_numpy(array.astype(DTYPES[kind], order="C", copy=True))


def no_number(name: str, dtype: Any, example: Any) -> DataError:
    """That a column holds something else than real numbers."""
    shown = repr(example) if len(repr(example)) <= 60 else f"{repr(example)[:60]}..."
    is_complex = getattr(dtype, "kind", "O") == "c"
    return DataError(
        f"the column {name!r} is neither numbers nor booleans"
        + (", but complex numbers" if is_complex else ""),
        got=f"dtype {dtype}, e.g. {shown}",
        do="pass torch.from_numpy(array), or its real and imaginary parts as two columns"
        if is_complex
        else "encode it, e.g. with pandas.factorize",
    )


def missing(name: str, row: int, count: int, dtype: str) -> DataError:
    """That a column has values that are no finite numbers."""
    return DataError(
        f"the column {name!r} ({dtype}) has missing or infinite values",
        got=f"{count} of them, the first in row {row}",
        do="drop or fill them, with a column that says where they were if that matters",
    )
