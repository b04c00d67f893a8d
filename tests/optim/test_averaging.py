"""Averaging: the means of torch's AveragedModel, read without swapping."""

from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim import (
    adamw,
    averaged,
    by_path,
    chain,
    clip_by_value,
    ema,
    freeze,
    muon,
    sgd,
    swa,
)
from artifact_fn.testing import check_transform

PARAMS = {"weight": torch.linspace(-1, 1, 6).reshape(2, 3), "bias": torch.ones(2)}


def trajectory(rule: Any, steps: int) -> list[Any]:
    params, state, found = PARAMS, rule.init(PARAMS), []
    for i in range(steps):
        grads = {name: (param - 0.2) * (1 + i % 4) for name, param in params.items()}
        params, state = rule.update(grads, state, params)
        found.append((params, state))
    return found


@pytest.mark.parametrize(
    ("rule", "function", "taken"),
    [
        (ema(adamw(0.1), 0.9), get_ema_multi_avg_fn(0.9), range(30)),
        (swa(adamw(0.1)), get_swa_multi_avg_fn(), range(30)),
        (swa(adamw(0.1), start=4, every=5), get_swa_multi_avg_fn(), range(8, 30, 5)),
    ],
    ids=["ema", "swa", "swa, now and then"],
)
def test_bit_equal_to_torch(rule: Any, function: Any, taken: range) -> None:
    with torch.random.fork_rng():
        module = torch.nn.Linear(3, 2)
    theirs = AveragedModel(module, multi_avg_fn=function)
    plain = trajectory(adamw(0.1), 30)
    for i, (params, state) in enumerate(trajectory(rule, 30)):
        assert tree.identical(params, plain[i][0]), "averaging changes no parameter"
        if i in taken:
            module.load_state_dict(params)
            theirs.update_parameters(module)
        if i >= taken[0]:
            expected = {n: p.detach() for n, p in theirs.module.named_parameters()}
            assert tree.identical(state.mean, expected)
        else:
            assert tree.identical(state.mean, params), "before the first, the parameters"
    assert int(state.taken) == len(taken)


def test_averages_are_pure_and_of_every_dtype() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        check_transform(ema(sgd(0.1)), dtype=dtype)
        check_transform(swa(sgd(0.1), start=1, every=2), dtype=dtype)
    rule, params = ema(sgd(0.1), 0.5), {"w": torch.ones(2, dtype=torch.complex64)}
    _, state = rule.update(params, rule.init(params), params)
    assert state.mean["w"].dtype == torch.complex64
    assert rule.elementwise
    assert ema(freeze_and_chain()).elementwise
    assert not ema(muon(0.1)).elementwise


def freeze_and_chain() -> Any:
    return chain(clip_by_value(1.0), freeze())


@tree.node
class State:
    """What is read of a training state."""

    params: Any
    opt_state: Any


def test_the_mean_is_read_in_the_place_of_the_parameters() -> None:
    rule = chain(clip_by_value(1.0), by_path({"bias": sgd(0.1), "*": ema(sgd(0.1), 0.5)}))
    params, opt_state = trajectory(rule, 3)[-1]
    state = State(params, opt_state)
    found = averaged(state)
    assert found.opt_state is opt_state
    assert tree.identical(found.params["bias"], params["bias"])
    assert tree.identical(found.params["weight"], opt_state[1]["*"].mean["weight"])
    assert not torch.equal(found.params["weight"], params["weight"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ema(sgd(0.1), 1.0), r"keeps a part of itself; got decay=1.0; give e.g. 0.999"),
        (lambda: swa(sgd(0.1), start=-1), r"start counts updates; got start=-1; give 0 or more"),
        (lambda: swa(sgd(0.1), every=0), r"every counts steps; got 0"),
        (
            lambda: ema(clip_by_value(1.0)),  # type: ignore[arg-type]
            r"an optimizer is a rule, or a chain that ends in one; got a Transform",
        ),
        (
            lambda: averaged(State(PARAMS, sgd(0.1).init(PARAMS))),
            r"read where one is kept; got a state whose optimizer keeps none; train with optim.ema",
        ),
        (
            lambda: averaged(State(PARAMS, {n: ema(sgd(0.1)).init(PARAMS) for n in "ab"})),
            r"a parameter has one average; got two of bias; average in one",
        ),
    ],
)
def test_impossible_averages_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()
