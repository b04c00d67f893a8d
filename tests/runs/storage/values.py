"""Values of every kind that a run may remember, and how they are compared."""

import dataclasses
import enum
import math
from typing import Any, NamedTuple

import attrs
import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from torch import Tensor

from artifact_fn import tree


@attrs.frozen
class Kept:
    """A user's own record."""

    best: float
    since: int


class Pair(NamedTuple):
    a: Any
    b: Any


class Phase(enum.Enum):
    WARM = 1
    COLD = 2


@tree.node
class Moments:
    mean: Tensor
    count: Tensor


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same to the bit, and of the same types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return tree.identical(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, pd.DataFrame):
        try:
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        except AssertionError:
            return False
        return True
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return repr(a) == repr(b)
    if attrs.has(type(a)):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in attrs.fields(type(a)))
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128,
    torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Of every dtype, any bits, empty, 0-d, transposed or strided."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    size = torch.empty(0, dtype=dtype).element_size()
    data = draw(st.binary(min_size=math.prod(shape) * size, max_size=math.prod(shape) * size))
    if dtype == torch.bool:
        data = bytes(byte & 1 for byte in data)
    raw = torch.tensor(list(data), dtype=torch.uint8)
    whole = raw.view(dtype).reshape(shape) if raw.numel() else torch.empty(shape, dtype=dtype)
    if draw(st.booleans()) and whole.ndim == 2:
        return whole.T
    return whole


arrays = st.one_of(
    st.integers(-(2**31), 2**31).map(np.int64),
    st.floats(allow_nan=True).map(np.float64),
    st.lists(st.floats(allow_nan=True), max_size=3).map(np.array),
    st.lists(st.booleans(), max_size=3).map(np.array),
    st.lists(st.text(max_size=3), min_size=1, max_size=3).map(np.array),
    st.just(np.zeros((0, 3), np.float32)),
    st.just(np.array("2020-01-02", "datetime64[D]")),
    st.just(np.arange(6, dtype=">i4").reshape(2, 3).T),
)

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(st.characters(), max_size=5),
    st.binary(max_size=5),
    st.complex_numbers(allow_nan=False),
    st.sampled_from(Phase),
)

keys = st.one_of(st.text(max_size=3), st.integers(), st.tuples(st.integers(), st.booleans()))


def values() -> st.SearchStrategy[Any]:
    """Pytrees of all of these."""
    return st.recursive(
        st.one_of(plain, tensors(), arrays),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(keys, inner, max_size=3),
            st.tuples(inner, inner).map(lambda pair: Pair(*pair)),
            st.builds(Kept, st.floats(), st.integers()),
            st.builds(Moments, tensors(), tensors()),
        ),
        max_leaves=8,
    )
