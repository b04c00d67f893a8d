"""Selection: kept epochs against sorting them all."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn.errors import FoldError
from artifact_fn.folds import best, last, run, top_k
from tests.folds.epochs import of_scores

VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan, math.inf, None]), max_size=12)


@given(VALUES, st.integers(1, 4), st.sampled_from(["min", "max"]))
def test_top_k_is_a_stable_sort(values: list[float | None], k: int, mode: Any) -> None:
    epochs = of_scores("s", values)
    numbers = [e for e in epochs if not math.isnan(e.scores.get("s", math.nan))]
    ranked = sorted(numbers, key=lambda e: e.scores["s"] if mode == "min" else -e.scores["s"])
    assert [e.index for e in run(top_k("s", k, mode=mode), epochs)] == [e.index for e in ranked[:k]]
    chosen = run(best("s", mode=mode), epochs)
    assert (chosen.index if chosen else None) == (ranked[0].index if ranked else None)


def test_last_is_the_last() -> None:
    epochs = of_scores("s", [1.0, 2.0])
    assert run(last(), epochs) is epochs[1]
    assert run(last(), []) is None


def test_they_say_what_they_read() -> None:
    assert best("val/auc", mode="max").reads == {"val/auc"}
    assert last().reads == frozenset()


def test_keeping_nothing_is_refused() -> None:
    with pytest.raises(FoldError, match=r"at least 1 epoch is kept; got k=0; give 1 or more"):
        top_k("s", 0, mode="min")
    with pytest.raises(FoldError, match=r"got mode='up'"):
        best("s", mode="up")  # type: ignore[arg-type]
