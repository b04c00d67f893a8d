"""Synthesizers and classifiers: what is promised is checked when it is answered."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from artifact_fn import random
from artifact_fn.errors import DataError, ValidationError
from artifact_fn.validation.binary_classification import BinaryClassifier, probabilities
from artifact_fn.validation.table_comparison import (
    Categorical,
    Continuous,
    TableSynthesizer,
    TabularSpec,
    generated,
)

SPEC = TabularSpec((Continuous("x"), Categorical("u", ("a", "b"))))


class Gaussian:
    """Columns around a mean, which is all its state."""

    def generate(
        self, state: float, key: Tensor, n: int, params: dict[str, float], /
    ) -> pd.DataFrame:
        drawn = random.normal(key, (n,)) * params["temperature"] + state
        return pd.DataFrame({"x": drawn.numpy(), "u": np.where(drawn > state, "a", "b")})


class Answering:
    """Whatever it was made with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def generate(self, state: None, key: Tensor, n: int, params: None, /) -> pd.DataFrame:
        frame: pd.DataFrame = self.answer
        return frame

    def classify(self, state: None, batch: Any, /) -> Tensor:
        tensor: Tensor = self.answer
        return tensor


class Linear:
    """A weight vector is all its state."""

    def classify(self, state: Tensor, batch: dict[str, Tensor], /) -> Tensor:
        return torch.sigmoid(batch["x"] @ state)


def test_a_synthesizer_is_a_pure_function_of_state_and_key() -> None:
    synthesizer: TableSynthesizer[float, dict[str, float]] = Gaussian()
    key = random.key(0)
    frame, encoded = generated(synthesizer, SPEC, 50.0, key, 40, {"temperature": 2.0})
    again, _ = generated(synthesizer, SPEC, 50.0, key, 40, {"temperature": 2.0})
    pd.testing.assert_frame_equal(frame, again)
    assert len(encoded) == len(frame) == 40
    assert encoded.numbers.mean() == pytest.approx(50.0, abs=2.0)


GOOD = pd.DataFrame({"x": [1.0, 2.0], "u": ["a", "b"]})


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (GOOD.iloc[:1], ValidationError, r"as many rows as it is asked for; got 1 rows instead of 2"),
        (GOOD.to_numpy(), DataError, r"the synthetic table is a pandas DataFrame; got ndarray"),
        (GOOD[["x"]], DataError, r"the synthetic table has every column .* got no 'u' among 'x'"),
        (GOOD.assign(x=np.nan), DataError, r"'x' of the synthetic table has missing values; got nan"),
        (None, DataError, r"the synthetic table is a pandas DataFrame; got NoneType"),
    ],
    ids=["rows", "an array", "a column", "NaN", "nothing"],
)  # fmt: skip
def test_what_a_synthesizer_must_not_answer(answer: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        generated(Answering(answer), SPEC, None, random.key(0), 2, None)


def test_rows_are_asked_for_by_number() -> None:
    for n in (0, -1, 2.0, True):
        with pytest.raises(ValidationError, match=r"a synthetic table has rows; got n="):
            generated(Answering(GOOD), SPEC, None, random.key(0), n, None)  # type: ignore[arg-type]


def test_a_classifier_answers_on_the_host() -> None:
    classifier: BinaryClassifier[Tensor, dict[str, Tensor]] = Linear()
    weights = torch.zeros(3, requires_grad=True)
    values = probabilities(classifier, weights, {"x": torch.ones(4, 3)}, 4)
    assert values.dtype == np.float64
    assert values.tolist() == [0.5] * 4
    nearly = torch.tensor([1.0000001, -1e-8])
    assert probabilities(Answering(nearly), None, None, 2).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (torch.zeros(3), r"one probability a row, .* got shape \[3\] for 2 rows; .* shape \[2\]$"),
        (torch.zeros(2, 2), r"got shape \[2, 2\] for 2 rows; .* e.g. probabilities\[:, 1\]"),
        (torch.zeros(2, 1), r"got shape \[2, 1\] for 2 rows"),
        (torch.zeros(2, dtype=torch.int64), r"floating-point probabilities; got torch.int64; let"),
        (np.zeros(2), r"a tensor of floating-point probabilities; got ndarray"),
        (
            torch.tensor([0.5, 3.0]),
            r"answers probabilities; got 3.0 in row 1 \(1 such rows\); .* logits",
        ),
        (torch.tensor([torch.nan, 0.0]), r"got nan in row 0 .* NaN means a diverged model"),
    ],
    ids=["rows", "both classes", "a column", "classes", "an array", "logits", "NaN"],
)
def test_what_a_classifier_must_not_answer(answer: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        probabilities(Answering(answer), None, None, 2)
