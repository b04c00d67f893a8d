"""Tables: what goes in, and what is refused with its column, value and fix."""

from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from artifact_fn.errors import DataError, ValidationError
from artifact_fn.validation.table_comparison import (
    ARRAY_COLLECTIONS,
    SCORE_COLLECTIONS,
    SCORES,
    Categorical,
    Continuous,
    TabularSpec,
    compare,
    encode,
)
from artifact_fn.validation.table_comparison.scores import mean_js_distance

SPEC = TabularSpec((Continuous("age"), Categorical("sex", ("F", "M"))))
FRAME = pd.DataFrame({"age": [30.0, 41.5, 29.0], "sex": ["F", "M", "F"]})


def test_columns_of_every_dtype() -> None:
    numbers = {
        "float32": np.array([1.5, 2.5, 0.0], np.float32),
        "uint64": np.array([2**53, 0, 1], np.uint64),
        "int8": np.array([-1, 0, 1], np.int8),
        "bool": [True, False, True],
        "Int64": pd.array([1, 2, 3], dtype="Int64"),
        "Float32": pd.array([1.5, 2.5, 3.5], dtype="Float32"),
        "boolean": pd.array([True, False, True], dtype="boolean"),
        "object": pd.Series([1, 2.5, np.float32(3)], dtype=object),
        "sparse": pd.arrays.SparseArray([0.0, 0.0, 1.0]),
    }
    frame = pd.DataFrame(numbers)
    spec = TabularSpec([Continuous(name) for name in numbers])
    encoded = encode(spec, frame)
    assert encoded.numbers.dtype == np.float64
    assert encoded.numbers[:, 0].tolist() == [1.5, 2.5, 0.0]
    assert encoded.numbers[0].tolist() == [1.5, 2.0**53, -1.0, 1.0, 1.0, 1.5, 1.0, 1.0, 0.0]


def test_categories_of_every_dtype() -> None:
    labels: dict[str, tuple[Any, tuple[str, ...]]] = {
        "str": (["b", "a", "b"], ("a", "b")),
        "int": ([10, 9, 10], ("9", "10")),
        "whole floats": ([1.0, 0.0, 1.0], ("0", "1")),
        "floats": ([0.5, 0.25, 0.5], ("0.25", "0.5")),
        "bool": ([True, False, True], ("False", "True")),
        "beyond 2^53": ([2**53 + 1, 2**53, 2**53 + 1], ("9007199254740992", "9007199254740993")),
        "string": (pd.array(["b", "a", "b"], dtype="string"), ("a", "b")),
        "Int64": (pd.array([10, 9, 10], dtype="Int64"), ("9", "10")),
        "boolean": (pd.array([True, False, True], dtype="boolean"), ("False", "True")),
        "in order": (pd.Categorical(["lo", "hi", "lo"], ["lo", "mid", "hi"]), ("lo", "mid", "hi")),
        "dates": (
            pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-02"]),
            ("2020-01-01 00:00:00", "2020-01-02 00:00:00"),
        ),
        "intervals": (pd.cut([1, 5, 1], [0, 2, 6]), ("(0, 2]", "(2, 6]")),
        "unicode": (["é", "a", "é"], ("a", "é")),
        "object": (pd.Series([10, 2.0, 10], dtype=object), ("2", "10")),
        "dates and times": (
            pd.Series(
                [date(2020, 1, 2), pd.Timestamp("2020-01-01"), date(2020, 1, 2)], dtype=object
            ),
            ("2020-01-01 00:00:00", "2020-01-02"),
        ),
    }
    frame = pd.DataFrame({name: values for name, (values, _) in labels.items()})
    spec = TabularSpec.from_frame(frame, categorical=labels)
    assert dict(zip(spec.categorical, spec.categories, strict=True)) == {
        name: categories for name, (_, categories) in labels.items()
    }
    encoded = encode(spec, frame)
    for codes, categories in zip(encoded.codes.T, encoded.categories, strict=True):
        assert codes[0] == codes[2] != codes[1]
        assert max(codes) < len(categories)


def test_the_same_labels_in_another_dtype_are_the_same_labels() -> None:
    frame = pd.DataFrame({"flag": [0, 1, 1]})
    spec = TabularSpec.from_frame(frame, categorical=["flag"])
    for dtype in ("float64", "Int64", "category", "object", str):
        assert encode(spec, frame.astype(dtype)).codes.ravel().tolist() == [0, 1, 1]


def column(name: str, values: Any, dtype: Any = None) -> pd.DataFrame:
    return FRAME.assign(**{name: pd.Series(values, dtype=dtype)})


BAD: dict[str, tuple[Any, str]] = {
    "no frame": ([1, 2], r"the table is a pandas DataFrame; got list; make one"),
    "a missing column": (
        FRAME.drop(columns="sex"),
        r"the table has every column of its specification; got no 'sex' among 'age'; add or rename",
    ),
    "a duplicate column": (
        pd.concat([FRAME, FRAME[["age"]]], axis=1),
        r"the table has each column once; got 'age' 2 times; rename or drop one of them",
    ),
    "no rows": (FRAME.iloc[:0], r"the table has rows; got 0 rows; give at least one"),
    "NaN": (
        column("age", [1.0, np.nan, np.nan]),
        r"the continuous column 'age' of the table has missing values; got nan in row 1 \(2 in all\)"
        r"; drop those rows or fill them",
    ),
    "NA": (column("age", [1, None, 3], "Int64"), r"column 'age' .* missing .* got <NA> in row 1"),
    "a missing label": (
        column("sex", ["F", "M", None]),
        r"the categorical column 'sex' of the table has missing values; got (None|nan) in row 2",
    ),
    "a missing category": (
        column("sex", ["F", None, "M"], "category"),
        r"the categorical column 'sex' of the table has missing values; got nan in row 1",
    ),
    "infinity": (
        column("age", [1.0, 2.0, -np.inf]),
        r"the continuous column 'age' of the table has infinite values; got -inf in row 2 \(1 in all\)"
        r"; drop those rows, or clip",
    ),
    "an infinite label": (
        column("sex", [1.0, np.inf, 2.0]),
        r"the categorical column 'sex' of the table has infinite values; got inf",
    ),
    "an integer beyond 2^53": (
        column("age", [1, -(2**53) - 1, 2]),
        r"the continuous column 'age' .* float64 cannot tell apart; got -9007199254740993 in row 1, "
        r"beyond 2\^53; count from another zero, or name it categorical",
    ),
    "an unsigned integer beyond 2^53": (column("age", [1, 2, 2**64 - 1], "uint64"), r"in row 2"),
    "the least int64": (column("age", [-(2**63), 2, 3]), r"got -9223372036854775808 in row 0"),
    "a huge Python integer": (column("age", [1, 10**30, 2], object), r"got 10+ in row 1, beyond"),
    "texts for numbers": (
        column("age", ["12", "x", "1"]),
        r"the continuous column 'age' of the table holds something else than numbers; got '12' "
        r"\(str\) in row 0; convert it, e.g. with pandas.to_numeric, or name it categorical",
    ),
    "one text among numbers": (column("age", [1, "x", 2.0], object), r"got 'x' \(str\) in row 1"),
    "dates for numbers": (
        column("age", pd.to_datetime(["2020-01-01"] * 3)),
        r"something else than numbers; got Timestamp\(.*\) \(datetime64.*\) in row 0",
    ),
    "complex numbers": (column("age", [1j, 2, 3]), r"something else than numbers; .*complex128"),
    "categories for numbers": (column("age", [1, 2, 3], "category"), r"\(category\) in row 0"),
    "mixed labels": (
        column("sex", ["1", 1, "2"], object),
        r"the categorical column 'sex' of the table mixes types; got '1' \(text\) in row 0 and 1 "
        r"\(number\) in row 1; cast it to one type",
    ),
    "1 and True": (column("sex", [1, True, 0], object), r"mixes types; .* True \(boolean\) in row 1"),
    "mixed categories": (
        column("sex", pd.Categorical(["a", 1, "a"], ["a", 1])),
        r"mixes types; got 'a' \(text\) in category 0 and 1 \(number\)",
    ),
    "tuples": (
        column("sex", [(1,), (2,), (1,)]),
        r"the categorical column 'sex' of the table holds texts, numbers, booleans or dates; "
        r"got \(1,\) \(tuple\); cast it",
    ),
    "bytes": (column("sex", [b"F", b"M", b"F"]), r"got b'F' \(bytes\); cast it"),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "message"), BAD.values(), ids=BAD.keys())
def test_bad_tables_are_refused_by_name(frame: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(SPEC, frame)


def test_a_comparison_says_which_table_is_bad() -> None:
    bad = FRAME.assign(age=np.nan)
    with pytest.raises(DataError, match="'age' of the real table"):
        compare(SPEC, bad, FRAME)
    with pytest.raises(DataError, match="'age' of the synthetic table"):
        compare(SPEC, FRAME, bad)
    other = TabularSpec((Continuous("age"),))
    with pytest.raises(
        ValidationError, match=r"the real table was encoded by .* got columns 'age'"
    ):
        compare(SPEC, encode(other, FRAME), FRAME)


def test_frames_stay_as_they_are() -> None:
    frame = pd.DataFrame(
        {"age": pd.array([1, 2], dtype="Int64"), "sex": pd.Categorical(["M", "X"]), "more": [None, 1]},
        index=[5, 5],
    )  # fmt: skip
    before = frame.copy(deep=True)
    pair = compare(SPEC, frame, frame)
    for artifact in (*SCORES.values(), *SCORE_COLLECTIONS.values(), *ARRAY_COLLECTIONS.values()):
        artifact(pair)
    pd.testing.assert_frame_equal(frame, before)


def test_unseen_categories_are_their_own_or_refused() -> None:
    odd = FRAME.assign(sex=["X", "M", "A"])
    pair = compare(SPEC, FRAME.assign(sex="Z"), odd)
    assert pair.categories == (("F", "M", "A", "X", "Z"),)
    assert pair.real.codes.ravel().tolist() == [4, 4, 4]
    assert pair.synthetic.codes.ravel().tolist() == [3, 1, 2]
    strict = TabularSpec(SPEC.columns, unseen="refuse")
    message = (
        r"the categorical column 'sex' of the synthetic table has unseen categories; got 'X' in row 0"
        r" \(2 unseen in all\); map it to one of 'F', 'M', or specify unseen='own'"
    )
    with pytest.raises(DataError, match=message):
        compare(strict, FRAME, odd)
    assert compare(strict, FRAME, FRAME).categories == (("F", "M"),)


def test_one_row_and_constant_columns() -> None:
    pair = compare(SPEC, FRAME, FRAME.iloc[:1])
    assert np.isnan(ARRAY_COLLECTIONS["STD_JUXTAPOSITION"](pair)["age"][1])
    assert ARRAY_COLLECTIONS["MAX_JUXTAPOSITION"](pair)["age"].tolist() == [41.5, 30.0]
    assert 0 < SCORES["MEAN_JS_DISTANCE"](pair) < 1
    # Nothing is associated with a constant: the identity against nothing, an off-diagonal pair too.
    assert SCORES["CORRELATION_DISTANCE"](pair) > 0.7
    alone = compare(SPEC, FRAME.iloc[:1], FRAME.iloc[:1])
    assert SCORES["MEAN_JS_DISTANCE"](alone) == SCORES["CORRELATION_DISTANCE"](alone) == 0.0
    assert np.isnan(SCORES["NEAREST_NEIGHBOUR_RATIO"](alone))
    assert np.isnan(SCORES["CORRELATION_SIMILARITY"](alone))
    assert np.isnan(SCORES["CONTINGENCY_SIMILARITY"](alone))


def test_from_frame_infers_and_says_so() -> None:
    frame = FRAME.assign(flag=[0, 1, 0], truth=[True, False, True], spread=[1.5, 2.5, 3.5])
    spec = TabularSpec.from_frame(frame, continuous=["age"], categorical=["sex"])
    assert spec.continuous == ("age", "flag", "spread")
    assert spec.categorical == ("sex", "truth")
    assert spec.names == tuple(frame.columns)
    assert spec.inferred == (
        "'flag' is continuous: int64 with 2 values; if they are labels, name it categorical",
        "'truth' is categorical: bool with 2 values",
        "'spread' is continuous: float64 with 3 values; if they are labels, name it categorical",
    )
    assert spec == TabularSpec.from_frame(frame, categorical=["sex", "truth"])
    assert TabularSpec.from_json(spec.to_json()) == spec
    assert hash(TabularSpec.from_json(spec.to_json())) == hash(spec)


BAD_SPECS: dict[str, tuple[Any, str]] = {
    "no columns": (lambda: TabularSpec(()), r"a specification has columns; got none; give"),
    "one name twice": (
        lambda: TabularSpec((Continuous("a"), Categorical("a", ("x",)))),
        r"each column is named once; got 'a' more than once; drop one",
    ),
    "a name that is no str": (
        lambda: TabularSpec.from_frame(pd.DataFrame(np.zeros((2, 1)))),
        r"a column is a str; got 0; rename it",
    ),
    "no categories": (
        lambda: TabularSpec((Categorical("a", ()),)),
        r"the categorical column 'a' has categories; got none; list them",
    ),
    "one category twice": (
        lambda: TabularSpec((Categorical("a", ("x", "x")),)),
        r"each category of 'a' is named once; got 'x' more than once",
    ),
    "both kinds": (
        lambda: TabularSpec.from_frame(FRAME, continuous=["age"], categorical=["age"]),
        r"a column is continuous or categorical; got 'age' named as both; name it once",
    ),
    "unknown policy": (
        lambda: TabularSpec(SPEC.columns, unseen="drop"),  # type: ignore[arg-type]
        r"unseen is one of 2 names; got 'drop'; give 'own' or 'refuse'",
    ),
    "no JSON": (
        lambda: TabularSpec.from_json("{"),
        r"the text is no specification in JSON; got '\{' \(JSONDecodeError: .*\); give what",
    ),
    "other JSON": (lambda: TabularSpec.from_json("[1]"), r"no specification in JSON; got '\[1\]'"),
}


@pytest.mark.parametrize(("make", "message"), BAD_SPECS.values(), ids=BAD_SPECS.keys())
def test_bad_specifications_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make()


def test_from_frame_complains_of_columns_like_encode() -> None:
    with pytest.raises(DataError, match=r"got no 'height' among 'age', 'sex'"):
        TabularSpec.from_frame(FRAME, continuous=["height"])
    with pytest.raises(DataError, match=r"the continuous column 'sex' holds something else"):
        TabularSpec.from_frame(FRAME, continuous=["sex"])
    with pytest.raises(DataError, match=r"the table is a pandas DataFrame; got NoneType"):
        TabularSpec.from_frame(None)  # type: ignore[arg-type]


def test_parameters_out_of_range_are_refused() -> None:
    pair = compare(SPEC, FRAME, FRAME)
    js, correlation = SCORES["MEAN_JS_DISTANCE"], SCORES["CORRELATION_DISTANCE"]
    bad: list[tuple[Any, dict[str, Any], str]] = [
        (js, {"n_bins_cts_histogram": 0}, r"counts bins; got 0; give a whole number"),
        (correlation, {"vector_distance_metric": "L1"}, r"one of 4 names; got 'L1'; give 'L2'"),
        (correlation, {"categorical_association_type": "PHI"}, r"got 'PHI'; give 'THEILS_U'"),
        (correlation, {"continuous_association_type": "R"}, r"got 'R'; give 'PEARSON' or"),
    ]  # fmt: skip
    for artifact, parameters, message in bad:
        with pytest.raises(ValidationError, match=message):
            partial(artifact, **parameters)(pair)
    numbers = TabularSpec((Continuous("age"),))
    assert np.isnan(mean_js_distance(compare(numbers, FRAME, FRAME), categorical_only=True))
