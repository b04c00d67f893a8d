"""Guards: what is skipped leaves no trace but its count; too many in a row are an error."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn import tree
from artifact_fn.errors import NonFiniteError, OptimError
from artifact_fn.optim import (
    adamw,
    by_path,
    chain,
    check_skips,
    clip_by_global_norm,
    clip_by_value,
    cosine,
    ema,
    freeze,
    sgd,
    skip_nonfinite,
)
from artifact_fn.testing import check_transform

PARAMS = {"a.weight": torch.linspace(-1, 1, 6), "ü": torch.ones(2), "none": torch.zeros(0)}


def grads_of(step: int, *bad: str, value: float = torch.nan) -> dict[str, torch.Tensor]:
    found = {name: (param + 0.5) * (1 + step % 3) for name, param in PARAMS.items()}
    for name in bad:
        found[name] = torch.cat([torch.tensor([value]), found[name][1:]])
    return found


@given(st.lists(st.booleans(), max_size=12), st.sampled_from([torch.nan, torch.inf, -torch.inf]))
@settings(max_examples=30)
def test_a_skipped_update_never_was(good: list[bool], value: float) -> None:
    plain = chain(clip_by_global_norm(1.0), adamw(cosine(0.1, steps=9)))
    guarded = skip_nonfinite(plain, in_a_row=100)
    params, state = PARAMS, guarded.init(PARAMS)
    expected, inner = PARAMS, plain.init(PARAMS)
    for step, fine in enumerate(good):
        grads = grads_of(step) if fine else grads_of(step, "ü", value=value)
        params, state = guarded.update(grads, state, params)
        if fine:
            expected, inner = plain.update(grads, inner, expected)
        assert guarded.report(state)["skipped"].item() == (not fine)
    assert tree.identical((params, state.inner), (expected, inner))
    assert int(state.skipped) == good.count(False)
    assert int(state.count) == len(good)
    check_skips(state)


def test_a_guard_is_pure() -> None:
    check_transform(skip_nonfinite(sgd(0.1, momentum=0.9)))
    check_transform(skip_nonfinite(chain(clip_by_value(1.0), adamw(0.1))), dtype=torch.float64)


def test_a_row_of_them_is_an_error_that_names_step_and_parameter() -> None:
    rule = by_path(
        {"a.*": skip_nonfinite(sgd(0.1)), "*": ema(skip_nonfinite(sgd(0.1), in_a_row=2))}
    )
    params, state = PARAMS, rule.init(PARAMS)
    for step, bad in enumerate([["ü"], [], ["ü"], ["ü"], ["a.weight"], []]):
        params, state = rule.update(grads_of(step, *bad), state, params)
        if step < 3:
            check_skips(state)
    with pytest.raises(
        NonFiniteError,
        match=r"2 updates in a row had no finite gradient; got NaN or infinity in the gradient of "
        r"ü at step 4; lower the learning rate, clip .* bear more with skip_nonfinite",
    ):
        check_skips(state)


def test_members_are_told_apart() -> None:
    rule = skip_nonfinite(sgd(0.1), in_a_row=1)

    def update(grads: Any) -> Any:
        return rule.update(grads, rule.init(PARAMS), PARAMS)[1]

    good, bad = grads_of(0), grads_of(0, "ü")
    state = torch.vmap(update)(tree.map(lambda a, b: torch.stack([a, b]), good, bad))
    assert state.skipped.tolist() == [0, 1]
    with pytest.raises(NonFiniteError, match=r"1 update in a row .* of ü at step 1"):
        check_skips(state)


def test_hypergradients_pass_a_skipped_update() -> None:
    rule, params = skip_nonfinite(sgd(0.1)), {"w": torch.tensor([2.0])}
    state = rule.init(params)

    def moved(rate: torch.Tensor) -> torch.Tensor:
        inner = tree.replace(state.inner, hyper=state.inner.hyper | {"lr": rate})
        grads = {"w": torch.tensor([torch.inf])}
        return rule.update(grads, tree.replace(state, inner=inner), params)[0]["w"].sum()

    assert torch.func.grad(moved)(torch.tensor(0.1)).item() == 0.0


def test_nothing_to_guard_is_no_trouble() -> None:
    rule = skip_nonfinite(freeze())
    check_skips(rule.update({}, rule.init({}), {})[1])
    check_skips(sgd(0.1).init(PARAMS))


@pytest.mark.parametrize("in_a_row", [0, 2.5, True])
def test_impossible_rows_are_refused(in_a_row: Any) -> None:
    with pytest.raises(OptimError, match=r"has at least 1; got in_a_row=.*; give e.g. 10"):
        skip_nonfinite(sgd(0.1), in_a_row=in_a_row)
    with pytest.raises(OptimError, match=r"an optimizer is a rule, .*; got a Transform; pass"):
        skip_nonfinite(clip_by_value(1.0))  # type: ignore[arg-type]
