"""Values: restored as they were (law 8), or refused by name."""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from artifact_fn.errors import DataError
from artifact_fn.folds import Epoch
from artifact_fn.runs.storage.tensors import dumped, loaded
from artifact_fn.runs.storage.values import decode, encode
from tests.runs.storage.values import Kept, Moments, Pair, Phase, same, values


def again(value: Any) -> Any:
    """Through bytes, as on disk."""
    encoded = encode(value)
    text = json.dumps(encoded.document, allow_nan=False)
    return decode(json.loads(text), loaded(b"".join(dumped(encoded.tensors))))


@settings(max_examples=300, deadline=None)
@given(values())
def test_a_value_is_restored_as_it_was(value: Any) -> None:
    assert same(again(value), value)


def test_two_places_of_one_tensor_are_saved_once() -> None:
    tensor = torch.arange(4.0)
    encoded = encode({"best": tensor, "last": tensor, "other": tensor.clone(), "part": tensor[:2]})
    assert len(encoded.tensors) == 3
    restored = again({"best": tensor, "last": tensor})
    assert same(restored, {"best": tensor, "last": tensor})


def test_conjugates_and_views_are_told_apart() -> None:
    z = torch.tensor([1 + 2j])
    value = {"z": z, "conj": z.conj(), "neg": z.conj().imag, "real": z.real}
    assert same(
        {k: v.resolve_conj().resolve_neg() for k, v in again(value).items()},
        {k: v.resolve_conj().resolve_neg() for k, v in value.items()},
    )


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1.0, float("nan")], "b": [True, False], "c": ["x", "y"]}),
        pd.DataFrame(
            {"a": [1, 2]}, index=pd.Index([3, 4], name="epoch", dtype="int64"), dtype="float64"
        ),
        pd.DataFrame(),
        pd.DataFrame({"a": pd.Series([], dtype="int32")}),
        pd.DataFrame(np.arange(4).reshape(2, 2)),
        pd.DataFrame({"a": [1]}, index=["row"]).rename_axis(columns="score"),
        pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}),
    ],
)
def test_a_frame_is_restored_as_it_was(frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(again(frame), frame, check_exact=True)


def test_a_figure_among_artifacts_may_be_left_out() -> None:
    epoch = Epoch(1, None, {"val/a": 1.0}, {"val/f": object(), "val/x": np.ones(2)})
    with pytest.raises(DataError, match=r"it\.artifacts\['val/f'\] cannot be saved"):
        encode(epoch)
    kept = encode(epoch, lenient=("artifacts",))
    found = decode(kept.document, kept.tensors)
    assert list(found.artifacts) == ["val/x"]
    assert found.scores == {"val/a": 1.0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"f": len}, r"it\['f'\] cannot be saved; got a builtin_function_or_method; remember"),
        ([1, {2}], r"it\[1\] cannot be saved; got a set"),
        ({"m": (nn.ReLU(),)}, r"it\['m'\]\[0\] cannot be saved; got a ReLU"),
        (np.array([None]), r"got an array of object; remember arrays of numbers"),
        (torch.ones(2, 2).to_sparse(), r"got a torch.sparse_coo tensor"),
        (torch.ones(2, device="meta"), r"on meta; keep dense tensors"),
        (
            pd.DataFrame({"a": pd.Categorical(["x"])}),
            r"it\['a'\] cannot be saved; got a column of category",
        ),
        (
            pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
            r"it cannot be saved; got a MultiIndex",
        ),
        (pd.DataFrame({"a": [[1]]}), r"it\['a'\] cannot be saved; got a column of object"),
    ],
)
def test_what_cannot_be_saved_is_refused_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(value)


def test_a_record_of_a_function_is_refused_since_nobody_could_find_it_again() -> None:
    import attrs

    @attrs.frozen
    class Inner:
        x: int

    with pytest.raises(DataError, match=r"a Inner; .*at the top of a module"):
        encode(Inner(1))


def test_reading_calls_no_constructor_and_imports_nothing_else() -> None:
    name = f"{Kept.__module__}:Kept"
    record = {"record": name, "fields": [["best", 1.0], ["since", 2]]}
    assert decode(record, {}) == Kept(1.0, 2)
    with pytest.raises(DataError, match=r"has other fields .*; got best, for best, since"):
        decode({"record": name, "fields": [["best", 1.0]]}, {})
    before = set(sys.modules)
    for hostile in ("antigravity:fly", "subprocess:Popen", "os:system", "builtins:eval", "x:"):
        with pytest.raises(DataError, match=r"is not known here; got no such class"):
            decode({"record": hostile, "fields": []}, {})
    assert set(sys.modules) == before
    with pytest.raises(DataError, match=r"does not know; got 'pickle'; read it with"):
        decode({"pickle": "gASV"}, {})


def test_dtypes_without_a_name_in_the_file_are_refused() -> None:
    with pytest.raises(DataError, match=r"the tensor a cannot be saved; got torch.float8_e4m3fnuz"):
        list(dumped({"a": torch.zeros(1, dtype=torch.float8_e4m3fnuz)}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        b"\x08" + b"\0" * 7 + b"{}",
        (2**40).to_bytes(8, "little") + b"{}",
        b"".join(dumped({"a": torch.ones(3)}))[:-1],
        b"\x3a\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32","shape":[9999999],"data_offsets":[0,4]}}',
        b"\x80\x04\x95",
    ],
)
def test_a_lying_file_is_an_error(data: bytes) -> None:
    with pytest.raises(DataError, match="no safetensors file"):
        loaded(data)


def test_the_examples_are_of_every_kind() -> None:
    value = (Pair(1, Phase.WARM), Moments(torch.ones(1), torch.tensor(3)), 2**70, -0.0)
    assert same(again(value), value)
