"""Stopping: each stopper against a brute-force reading of its sentence."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn.errors import FoldError
from artifact_fn.folds import (
    Epoch,
    Stop,
    Stopper,
    at_most,
    diverged,
    patience,
    reached,
    run,
    scan,
    stopper,
    within,
)
from tests.folds.epochs import of_scores

VALUES = st.lists(
    st.sampled_from([0.0, 0.1, 0.5, 0.5001, 1.0, -1.0, math.nan, math.inf, -math.inf, None]),
    max_size=14,
)


def stops_after(stopper: Stopper[Any], epochs: list[Epoch[None]]) -> int | None:
    """How many epochs were read when the stopper first said so."""
    for count, answer in enumerate(scan(stopper.fold, epochs), 1):
        if answer is not None:
            return count
    return None


def patience_by_hand(values: list[float | None], n: int, mode: str, delta: float) -> int | None:
    best: float | None = None
    since = 0
    for count, value in enumerate(values, 1):
        if value is None:
            continue
        if math.isnan(value):
            since += 1
        elif best is None or ((value < best - delta) if mode == "min" else (value > best + delta)):
            best, since = value, 0
        else:
            since += 1
        if since >= n:
            return count
    return None


@given(VALUES, st.integers(1, 4), st.sampled_from(["min", "max"]), st.sampled_from([0.0, 0.2]))
def test_patience(values: list[float | None], n: int, mode: Any, delta: float) -> None:
    stopper = patience("val/loss", n, mode=mode, min_delta=delta)
    epochs = of_scores("val/loss", values)
    assert stops_after(stopper, epochs) == patience_by_hand(values, n, mode, delta)


def test_patience_counts_evaluations_not_epochs() -> None:
    sparse = of_scores("val/loss", [0.5, None, None, None, 0.6, None, 0.7])
    assert stops_after(patience("val/loss", 2), sparse) == 7


def test_patience_of_nothing_but_nan_ends() -> None:
    answer = run(patience("val/loss", 3).fold, of_scores("val/loss", [math.nan] * 3))
    assert answer == Stop("val/loss has not been a number for 3 evaluations")


def test_at_most_counts_completed_epochs_even_of_an_earlier_process() -> None:
    assert stops_after(at_most(3), of_scores("x", [None] * 5)) == 3
    assert run(at_most(3).fold, [Epoch(3, None)]) == Stop("3 epochs are done")


def test_reached_and_diverged_stay_so() -> None:
    values = of_scores("val/auc", [0.7, 0.9, 0.8])
    assert stops_after(reached("val/auc", 0.9, mode="max"), values) == 2
    assert run(reached("val/auc", 0.9, mode="max").fold, values) is not None
    assert stops_after(reached("val/auc", 0.75, mode="min"), values) == 1
    losses = of_scores("train/loss", [1.0, math.inf, 0.5])
    assert stops_after(diverged(), losses) == 2
    assert run(diverged().fold, losses) == Stop("train/loss has diverged (inf)")


def test_within_reads_the_time_from_the_epoch() -> None:
    timed = [Epoch(i, None, seconds=2.0 * i) for i in range(1, 5)]
    assert run(within(6.0).fold, timed[:2]) is None
    assert run(within(6.0).fold, timed[:3]) == Stop("6.0 of 6 seconds are over")
    assert within(1.0).fold.reads == {"seconds"}


@given(VALUES, st.integers(1, 3), st.integers(1, 9))
def test_either_and_both(values: list[float | None], n: int, most: int) -> None:
    epochs = of_scores("val/loss", values)
    a, b = patience("val/loss", n), at_most(most)
    for x, y, either, both in zip(
        scan(a.fold, epochs),
        scan(b.fold, epochs),
        scan((a | b).fold, epochs),
        scan((a & b).fold, epochs),
        strict=True,
    ):
        assert (either is not None) == (x is not None or y is not None)
        assert (both is not None) == (x is not None and y is not None)
        if x and y:
            assert either == Stop(f"{x.reason}; {y.reason}")
            assert both == Stop(f"{x.reason} and {y.reason}")


def test_a_stopper_says_what_it_reads() -> None:
    assert (
        patience("val/loss", 2) | reached("val/auc", 1.0, mode="max") & at_most(5)
    ).fold.reads == {
        "val/loss",
        "val/auc",
    }


def test_a_stopper_of_ones_own_is_tested_on_numbers() -> None:
    flat = stopper(
        lambda: (math.inf, 0),
        lambda carry, x: (x, carry[1] + 1 if x == carry[0] else 0),
        lambda carry: Stop("flat") if carry[1] >= 2 else None,
    )
    assert run(flat.fold, [3.0, 1.0, 1.0]) is None
    assert run(flat.fold, [3.0, 1.0, 1.0, 1.0]) == Stop("flat")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: patience("loss", 0), r"patience is a whole number of at least 1; got 0; give 1"),
        (lambda: patience("loss", True), r"patience is a whole number of at least 1; got True"),
        (
            lambda: patience("loss", 2.5),  # type: ignore[arg-type]
            r"patience is a whole number of at least 1; got 2.5",
        ),
        (
            lambda: patience("a", 2, mode="lowest"),  # type: ignore[arg-type]
            r"its \"min\" or \"max\"; got mode='lowest'",
        ),
        (lambda: patience("loss", 2, min_delta=-1.0), r"at least 0; got min_delta=-1.0"),
        (lambda: patience("loss", 2, min_delta=math.nan), r"at least 0; got min_delta=nan"),
        (lambda: at_most(0), r"the number of epochs is a whole number of at least 1; got 0"),
        (lambda: reached("a", math.nan, mode="max"), r"a goal is a number; got NaN"),
        (lambda: within(0.0), r"a time is positive; got 0.0 seconds"),
        (lambda: within(math.nan), r"a time is positive; got nan seconds"),
    ],
)
def test_impossible_values_are_refused_when_it_is_made(make: Any, message: str) -> None:
    with pytest.raises(FoldError, match=message):
        make()
