"""Plateau: when torch's ReduceLROnPlateau would act, on lists of numbers."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn.errors import FoldError
from artifact_fn.folds import plateau, run, scan

SCORES = st.lists(
    st.one_of(
        st.sampled_from([0.0, -1.0, 1.0, 1.00005, 0.99995, math.nan, math.inf]),
        st.floats(-5, 5, allow_nan=False),
    ),
    max_size=40,
)


@given(
    SCORES,
    st.sampled_from(["min", "max"]),
    st.sampled_from(["rel", "abs"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([0.0, 1e-4, 0.3]),
)
def test_it_is_time_when_torch_says_so(
    scores: list[float], mode: Any, threshold_mode: Any, patience: int, cooldown: int, by: float
) -> None:
    options = {
        "mode": mode,
        "patience": patience,
        "threshold": by,
        "threshold_mode": threshold_mode,
        "cooldown": cooldown,
    }
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, eps=0.0, **options)
    expected = []
    for score in scores:
        before = optimizer.param_groups[0]["lr"]
        theirs.step(score)
        expected.append(optimizer.param_groups[0]["lr"] < before)
    assert list(scan(plateau(**options), scores)) == expected


def test_where_nothing_was_due_it_is_never_the_time() -> None:
    fold = plateau(patience=0)
    assert list(scan(fold, [1.0, 2.0, None, 2.0, None])) == [False, True, False, True, False]
    assert run(fold, []) is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "least"}, r"best at its \"min\" or \"max\"; got mode='least'; give one"),
        ({"threshold_mode": "far"}, r"or an amount; got threshold_mode='far'; give 'rel' or 'abs'"),
        ({"threshold": -1.0}, r"a threshold is at least 0; got threshold=-1.0; give e.g. 1e-4"),
        ({"threshold": math.nan}, r"a threshold is at least 0; got threshold=nan"),
        ({"patience": -1}, r"patience counts evaluations; got patience=-1; give 0 or more"),
        ({"cooldown": 1.5}, r"cooldown counts evaluations; got cooldown=1.5"),
    ],
)
def test_impossible_plateaus_are_refused(options: Any, message: str) -> None:
    with pytest.raises(FoldError, match=message):
        plateau(**options)
