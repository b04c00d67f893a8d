"""Members: folds over the epochs of many models, and the interval of a mean."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from artifact_fn.errors import FoldError
from artifact_fn.folds import Epoch, Stop, band, interval, member_history, patience, run
from artifact_fn.folds.interval import quantile
from artifact_fn.folds.members import all_ended, each, ended

Rows = list[list[float]]


def epochs_of(rows: Rows) -> list[Epoch[None]]:
    return [
        Epoch(i, None, {f"val/loss[{m}]": value for m, value in enumerate(row)})
        for i, row in enumerate(rows, 1)
    ]


tables = st.integers(1, 4).flatmap(
    lambda members: st.lists(
        st.lists(st.floats(0, 5), min_size=members, max_size=members), min_size=1, max_size=8
    )
)


@given(tables)
def test_a_fold_of_each_is_the_fold_over_its_own_epochs(rows: Rows) -> None:
    members = len(rows[0])
    answers = run(each(patience("val/loss", 2).fold, members), epochs_of(rows))
    ends = run(ended(patience("val/loss", 2), members), epochs_of(rows))
    for m in range(members):
        own = [Epoch(i, None, {"val/loss": row[m]}) for i, row in enumerate(rows, 1)]
        assert answers[m] == run(patience("val/loss", 2).fold, own)
        stops = [(i, run(patience("val/loss", 2).fold, own[:i])) for i in range(1, len(own) + 1)]
        first = next(((i, stop.reason) for i, stop in stops if stop), None)
        assert ends[m] == first, "it ends once, and stays so"
    stop = run(all_ended(patience("val/loss", 2), members).fold, epochs_of(rows))
    assert (stop is None) == (None in ends)
    if stop:
        assert stop == Stop(f"all {members} members have stopped")


def test_reads_are_the_members_own() -> None:
    assert each(patience("val/loss", 2).fold, 2).reads == {"val/loss[0]"}


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 10, 15, 63, 200])
def test_quantiles_are_those_of_scipy(degrees: int) -> None:
    for probability in (0.6, 0.9, 0.975, 0.995, 0.9999):
        theirs = stats.t.ppf(probability, degrees)
        assert quantile(probability, degrees) == pytest.approx(theirs, rel=1e-9)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.floats(0.5, 0.99))
def test_an_interval_is_that_of_scipy(values: list[float], confidence: float) -> None:
    found = interval([*values, math.nan], confidence)
    assert found.count == len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * error
    assert found.mean == pytest.approx(float(np.mean(values)), rel=1e-9, abs=1e-9)
    assert found.high - found.mean == pytest.approx(half, rel=1e-6, abs=1e-9)
    assert found.mean - found.low == pytest.approx(half, rel=1e-6, abs=1e-9)


def test_few_numbers_have_no_interval() -> None:
    assert math.isnan(interval([]).mean)
    one = interval([2.0])
    assert (one.mean, one.count) == (2.0, 1)
    assert math.isnan(one.low)


def test_a_band_is_an_interval_an_epoch() -> None:
    history = pd.DataFrame({"a": [0.0], "a[0]": [1.0], "a[1]": [3.0], "a[2]": [math.nan]})
    assert band(history, "a")["mean"].tolist() == [2.0]
    assert band(history, "a", [1])["mean"].tolist() == [3.0]
    assert member_history(history, 1).to_dict("list") == {"a": [3.0]}


def test_impossible_arguments_are_refused() -> None:
    frame = pd.DataFrame({"a[0]": [1.0]})
    with pytest.raises(FoldError, match="there is at least 1 member; got members=0"):
        each(patience("loss", 1).fold, 0)
    with pytest.raises(FoldError, match="members end when a stopper says so; got int"):
        ended(3, 2)  # type: ignore[arg-type]
    with pytest.raises(FoldError, match="no scores of a member 1; got columns"):
        member_history(frame, 1)
    with pytest.raises(FoldError, match="the history holds no 'b' of members; got columns"):
        band(frame, "b")
    with pytest.raises(FoldError, match="a confidence lies between 0 and 1; got confidence=1"):
        interval([1.0], 1)
