"""Label sets: what goes in, and what is refused with its value, row and fix."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from artifact_fn.errors import DataError, ValidationError
from artifact_fn.validation.binary_classification import (
    ARRAY_COLLECTIONS,
    SCORE_COLLECTIONS,
    SCORES,
    BinarySpec,
    classified,
)

SPEC = BinarySpec(("0", "1"), positive="1", label="arthritis")


@pytest.mark.parametrize(
    "true",
    [
        [0, 1, 1],
        ["0", "1", "1"],
        np.array([0.0, 1.0, 1.0]),
        np.array([0, 1, 1], np.int8),
        pd.Series([0, 1, 1], dtype="Int64", index=[9, 3, 7]),
        pd.Series(["0", "1", "1"], dtype="category"),
        (x for x in ["0", "1", "1"]),
        torch.tensor([0, 1, 1]),
        torch.tensor([0.0, 1.0, 1.0]),
    ],
    ids=lambda true: type(true).__name__,
)
def test_classes_of_every_dtype(true: Any) -> None:
    rows = classified(SPEC, true, probability=[0.2, 0.4, 0.5])
    assert rows.true.tolist() == [False, True, True]
    assert rows.predicted.tolist() == [False, False, True]
    assert rows.ground_truth.tolist() == [0.8, 0.4, 0.5]
    assert len(rows) == 3
    assert rows.ids is None


def test_ids_bring_rows_together() -> None:
    rows = classified(
        SPEC,
        {"b": 1, "a": 0, "c": 1},
        probability={"a": 0.1, "c": 0.9, "b": 0.6},
        predicted={"c": "0", "b": "1", "a": "0"},
    )
    assert rows.ids == ("b", "a", "c")
    assert rows.probability.tolist() == [0.6, 0.1, 0.9]
    assert rows.predicted.tolist() == [True, False, False]
    assert classified(SPEC, [0, 1], predicted=[0, 1], ids=["x", "y"]).ids == ("x", "y")


def test_without_probabilities_predictions_are_certain() -> None:
    rows = classified(SPEC, [0, 1], predicted=[1, 1])
    assert rows.probability.tolist() == [1.0, 1.0]
    assert classified(SPEC, [0, 1], probability=[0.5, 0.7], threshold=0.6).predicted.tolist() == [
        False,
        True,
    ]


def test_rounding_beyond_one_is_forgiven() -> None:
    rows = classified(SPEC, [0, 1], probability=np.array([-1e-8, 1.0000001], np.float32))
    assert rows.probability.tolist() == [0.0, 1.0]


def test_one_class_alone() -> None:
    rows = classified(SPEC, [1, 1], probability=[0.2, 0.9])
    assert SCORES["BALANCED_ACCURACY"](rows) == SCORES["RECALL"](rows) == 0.5
    assert np.isnan(SCORES["ROC_AUC"](rows))
    assert SCORES["TNR"](rows) == SCORES["MCC"](rows) == 0.0
    assert np.isnan([*SCORE_COLLECTIONS["NEGATIVE_CLASS_SCORE_STATS"](rows).values()]).all()
    shares = ARRAY_COLLECTIONS["CONFUSION_MATRICES"](rows)
    assert shares["TRUE"].tolist() == [[0.5, 0.5], [0.0, 0.0]]
    assert np.isnan(SCORES["PR_AUC"](classified(SPEC, [0], probability=[0.5])))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing predicted": (
        {"true": [0, 1]},
        r"has probabilities or predictions; got neither; give probability=",
    ),
    "no rows": ({"true": [], "predicted": []}, r"a classification has rows; got 0 rows"),
    "lengths": (
        {"true": [0, 1], "probability": [0.5]},
        r"probability has a value for every row; got 1 values for 2 rows; give as many",
    ),
    "an unknown class": (
        {"true": [0, 2, 2], "predicted": [0, 1, 1]},
        r"the column of true classes holds '0' and '1' alone; got '2' in row 1 \(2 such rows\); correct them",
    ),
    "booleans": ({"true": [True], "predicted": [1]}, r"'0' and '1' alone; got 'True' in row 0"),
    "an unknown prediction": ({"true": [0], "predicted": ["x"]}, r"the column of predicted classes holds"),
    "a missing class": (
        {"true": [0, None], "predicted": [0, 1]},
        r"the column of true classes has missing values; got nan in row 1",
    ),
    "mixed classes": (
        {"true": pd.Series([0, "1"], dtype=object), "predicted": [0, 1]},
        r"the column of true classes mixes types; got 0 \(number\) in row 0 and '1' \(text\) in row 1",
    ),
    "NaN": (
        {"true": [0, 1], "probability": [0.5, np.nan]},
        r"the probability of the positive class has missing values; got nan in row 1",
    ),
    "above 1": (
        {"true": [0, 1], "probability": [0.5, 1.5]},
        r"a probability lies in \[0, 1\]; got 1.5 in row 1 \(1 such rows\); give probabilities and "
        r"not logits",
    ),
    "below 0": ({"true": [0, 1], "probability": [-0.1, 1.0]}, r"got -0.1 in row 0"),
    "infinite": ({"true": [0, 1], "probability": [np.inf, 1.0]}, r"has infinite values; got inf"),
    "texts": ({"true": [0, 1], "probability": ["a", "b"]}, r"something else than numbers; got 'a'"),
    "two columns": (
        {"true": [0, 1], "probability": np.zeros((2, 2))},
        r"probability has one value a row; got an array of shape \[2, 2\]; give shape \[N\]",
    ),
    "duplicate ids": (
        {"true": [0, 1, 1], "predicted": [0, 1, 1], "ids": [7, 8, 7]},
        r"each row has an id of its own; got 7 in rows 0 and 2; drop the duplicate rows",
    ),
    "few ids": (
        {"true": [0, 1], "predicted": [0, 1], "ids": [7]},
        r"there is an id for every row; got 1 ids for 2 rows",
    ),
    "an id without prediction": (
        {"true": {1: 0, 2: 1}, "predicted": {1: 0}},
        r"predicted has the ids of the true classes; got predicted lacks 2 \(1 such ids\)",
    ),
    "an id without class": (
        {"true": {1: 0}, "predicted": {1: 0, 5: 1}},
        r"got predicted alone has 5 \(1 such ids\)",
    ),
    "half by id": (
        {"true": {1: 0}, "predicted": [0]},
        r"predicted is by id, as the true classes are; got list; give each as a mapping",
    ),
    "the other half by id": (
        {"true": [0], "predicted": {1: 0}},
        r"the true classes are by id if anything is; got predicted as a mapping",
    ),
    "indices": (
        {"true": pd.Series([0, 1], index=[4, 5]), "probability": pd.Series([0.1, 0.2], index=[5, 4])},
        r"Series name their rows alike; got different indices; bring them into one order",
    ),
    "threshold": (
        {"true": [0], "probability": [0.1], "threshold": 2.0},
        r"a threshold is a probability; got 2.0; give one in \[0, 1\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_bad_label_sets_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, ValidationError), match=message):
        classified(SPEC, **given)


BAD_SPECS: dict[str, tuple[Any, str]] = {
    "three": (lambda: BinarySpec(("a", "b", "c"), "a"), r"two different classes; got \('a', 'b', 'c'\)"),
    "one": (lambda: BinarySpec(("a", "a"), "a"), r"two different classes; got \('a', 'a'\)"),
    "numbers": (lambda: BinarySpec((0, 1), 1), r"the name of a class is a str; got 0; write '0'"),  # type: ignore[arg-type]
    "neither": (lambda: BinarySpec(("a", "b"), "c"), r"one of the two; got 'c', not among 'a', 'b'"),
    "no JSON": (lambda: BinarySpec.from_json("?"), r"no specification in JSON; got '\?'"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), BAD_SPECS.values(), ids=BAD_SPECS.keys())
def test_bad_specifications_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make()


def test_a_specification_is_a_value() -> None:
    assert SPEC.negative == "0"
    assert BinarySpec(("1", "0"), positive="1").negative == "0"
    assert BinarySpec.from_json(SPEC.to_json()) == SPEC
    assert hash(BinarySpec.from_json(SPEC.to_json())) == hash(SPEC)


def test_what_is_given_stays_as_it_is() -> None:
    true, chance = np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3])
    rows = classified(SPEC, true, probability=chance)
    for artifact in (*SCORES.values(), *SCORE_COLLECTIONS.values()):
        artifact(rows)
    assert true.tolist() == [0, 1, 1]
    assert chance.tolist() == [0.1, 0.2, 0.3]
    chance[0] = 0.9
    assert rows.probability[0] == 0.1


def test_unknown_parameters_are_refused() -> None:
    rows = classified(SPEC, [0, 1], probability=[0.1, 0.2])
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("NORMALIZED_CONFUSION_COUNTS", {"normalization": "ROWS"}, r"normalization is one of 4 names; got 'ROWS'"),
        ("BINARY_PREDICTION_SCORES", {"metric_types": ["F2"]}, r"a metric type is one of 10 names; got 'F2'"),
        ("THRESHOLD_VARIATION_SCORES", {"metric_types": ["F1"]}, r"one of 2 names; got 'F1'; give 'ROC_AUC'"),
        ("SCORE_STATS", {"stat_types": ["MODE"]}, r"stat is one of 8 names; got 'MODE'; give 'MEAN' or"),
        ("SCORE_MEANS", {"split_types": ["TRAIN"]}, r"a split type is one of 3 names; got 'TRAIN'"),
    ]  # fmt: skip
    for name, parameters, message in bad:
        with pytest.raises(ValidationError, match=message):
            partial(SCORE_COLLECTIONS[name], **parameters)(rows)
