"""Law 5, for every fold: map, premap, side by side, resumed at every cut, asked at any time."""

import copy
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn.folds import (
    Epoch,
    Fold,
    at_most,
    best,
    diverged,
    history,
    last,
    named,
    patience,
    reached,
    run,
    top_k,
    within,
)
from artifact_fn.optim import reduce_on_plateau

FOLDS: dict[str, Fold[Epoch[Any], Any, Any]] = {
    "at_most": at_most(3).fold,
    "best": best("val/loss"),
    "diverged": diverged("val/loss").fold,
    "either": (patience("val/loss", 2) | at_most(4)).fold,
    "both": (patience("val/loss", 1) & at_most(2)).fold,
    "history": history(),
    "last": last(),
    "patience": patience("val/loss", 2, min_delta=0.1).fold,
    "patience max": patience("val/loss", 3, mode="max").fold,
    "plateau": reduce_on_plateau("val/loss", patience=1, cooldown=1),
    "reached": reached("val/loss", 0.5, mode="min").fold,
    "top_k": top_k("val/loss", 2),
    "within": within(3.0).fold,
}
STREAMS = st.lists(st.sampled_from([0.1, 0.5, 0.7, math.nan, math.inf, None]), max_size=8).map(
    lambda values: [
        Epoch(i, ("state", i), {} if v is None else {"val/loss": v}, {}, float(i))
        for i, v in enumerate(values, 1)
    ]
)
every_fold = pytest.mark.parametrize("name", FOLDS)


def same(a: Any, b: Any) -> bool:
    """Equality of answers and carries; epochs are compared by identity."""
    if isinstance(a, pd.DataFrame):
        return a.equals(b) and list(a.columns) == list(b.columns)
    return bool(repr(a) == repr(b))


def resumed(fold: Fold[Any, Any, Any], stream: list[Any], cut: int) -> Any:
    carry = fold.init()
    for element in stream[:cut]:
        carry = fold.step(carry, element)
    carry = copy.deepcopy(carry)
    for element in stream[cut:]:
        carry = fold.step(carry, element)
    return fold.extract(carry)


@every_fold
@given(stream=STREAMS)
@settings(max_examples=40)
def test_a_fold_resumed_at_any_cut_ends_the_same(name: str, stream: list[Any]) -> None:
    fold = FOLDS[name]
    whole = run(fold, stream)
    assert all(same(resumed(fold, stream, cut), whole) for cut in range(len(stream) + 1))


@every_fold
@given(stream=STREAMS)
@settings(max_examples=40)
def test_stepping_and_asking_leave_the_carry_alone(name: str, stream: list[Any]) -> None:
    fold = FOLDS[name]
    carry = fold.init()
    for element in stream:
        before = repr(carry)
        assert same(fold.extract(carry), fold.extract(carry))
        after = fold.step(carry, element)
        assert repr(carry) == before
        carry = after


@every_fold
@given(stream=STREAMS)
@settings(max_examples=20)
def test_map_premap_and_side_by_side(name: str, stream: list[Any]) -> None:
    fold = FOLDS[name]
    answer = run(fold, stream)
    assert same(run(fold.map(lambda x: (x,)), stream)[0], answer)
    assert same(run(fold.premap(lambda pair: pair[0]), [(e, 1) for e in stream]), answer)
    beside = run(named({name: fold, "other": history()}), stream)
    assert same(beside[name], answer)
    assert same(beside["other"], run(history(), stream))


@given(stream=st.lists(st.integers(), max_size=6))
def test_map_and_premap_compose(stream: list[int]) -> None:
    total: Fold[int, int, int] = Fold(lambda: 0, lambda carry, x: carry + x, lambda carry: carry)

    def f(x: int) -> int:
        return x + 1

    def g(x: int) -> int:
        return x * 2

    assert run(total.map(f).map(g), stream) == run(total.map(lambda x: g(f(x))), stream)
    assert run(total.premap(f).premap(g), stream) == run(total.premap(lambda x: f(g(x))), stream)


def test_the_battery_catches_a_fold_that_appends_to_its_carry() -> None:
    def step(carry: list[int], x: int) -> list[int]:
        carry.append(x)
        return carry

    fold: Fold[int, list[int], int] = Fold(list, step, len)
    carry = fold.init()
    fold.step(carry, 1)
    assert carry != fold.init(), "the broken fold must be seen to have changed its carry"
