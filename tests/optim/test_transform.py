"""Transform: chains and clipping."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artifact_fn import random, tree
from artifact_fn.errors import OptimError
from artifact_fn.optim import (
    adam,
    chain,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
    sgd,
)


def grads_of(seed: int, scale: float) -> dict[str, torch.Tensor]:
    keys = random.split(random.key(seed), 2)
    return {"a": random.normal(keys[0], (5, 3)) * scale, "b": random.normal(keys[1], (4,)) * scale}


@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-3, 1.0, 100.0]), st.sampled_from([0.5, 3.0]))
def test_clipping_is_that_of_torch(seed: int, scale: float, limit: float) -> None:
    grads = grads_of(seed, scale)
    theirs = [torch.nn.Parameter(torch.zeros_like(g)) for g in grads.values()]

    def reset() -> None:
        for param, grad in zip(theirs, grads.values(), strict=True):
            param.grad = grad.clone()

    clip = clip_by_global_norm(limit)
    ours, _ = clip.update(grads, clip.init(grads), grads)
    reset()
    norm = torch.nn.utils.clip_grad_norm_(theirs, limit, foreach=False)
    assert tree.identical(list(ours.values()), [p.grad for p in theirs])
    assert torch.equal(global_norm(grads), norm)

    clip = clip_by_norm(limit)
    ours, _ = clip.update(grads, clip.init(grads), grads)
    reset()
    for param in theirs:
        torch.nn.utils.clip_grad_norm_([param], limit, foreach=False)
    assert tree.identical(list(ours.values()), [p.grad for p in theirs])

    clip = clip_by_value(limit)
    ours, _ = clip.update(grads, clip.init(grads), grads)
    reset()
    torch.nn.utils.clip_grad_value_(theirs, limit, foreach=False)
    assert tree.identical(list(ours.values()), [p.grad for p in theirs])


def test_the_norm_of_nothing_is_zero() -> None:
    assert global_norm({}).item() == 0.0


def test_a_chain_is_its_parts_one_after_the_other() -> None:
    params, grads = grads_of(1, 1.0), grads_of(2, 50.0)
    clip, rule = clip_by_value(0.1), adam(0.1)
    whole = chain(clip, rule)
    state = whole.init(params)
    clipped, _ = clip.update(grads, (), params)
    expected, rule_state = rule.update(clipped, rule.init(params), params)
    after, state = whole.update(grads, state, params)
    assert tree.identical(after, expected)
    assert tree.identical(state, ((), rule_state))
    assert list(whole.report(state)) == ["lr"]


def test_a_chain_may_end_in_a_chain() -> None:
    params, grads = grads_of(1, 1.0), grads_of(2, 50.0)
    inner = chain(clip_by_value(0.1), sgd(0.1))
    outer = chain(clip_by_value(5.0), inner)
    ours, _ = outer.update(grads, outer.init(params), params)
    theirs, _ = inner.update(grads, inner.init(params), params)
    assert tree.identical(ours, theirs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chain(), r"ends in the rule that makes the new parameters; got \(\); put sgd"),
        (lambda: chain(clip_by_value(1.0)), r"got \(Transform\); put sgd, adam, adamw, ... last"),
        (lambda: chain(sgd(0.1), clip_by_value(1.0)), r"got \(Rule, Transform\)"),
        (lambda: chain(sgd(0.1), sgd(0.1)), r"stand transforms of gradients; got \(Rule, Rule\)"),
        (lambda: clip_by_value(0.0), r"a value to clip to is positive; got 0.0; give a number"),
        (lambda: clip_by_norm(0.0), r"a norm to clip to is positive; got 0.0; give a number"),
        (lambda: clip_by_global_norm(-1.0), r"a norm to clip to is positive; got -1.0"),
    ],
)
def test_impossible_chains_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()
