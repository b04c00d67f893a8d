"""Torch state: taken over and given back, either side goes on bit for bit."""

from typing import Any

import pytest
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim import (
    adam,
    adamw,
    by_path,
    chain,
    clip_by_value,
    cosine,
    ema,
    from_torch,
    muon,
    nadam,
    rprop,
    sgd,
    to_torch,
)
from tests.optim.test_rules import CASES, Case, gradients, parameters

MUON = Case(muon, torch.optim.Muon, {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"}, {})
EVERY = CASES | {"muon": MUON}
HALF = 7


def start(case: Case, dtype: torch.dtype) -> dict[str, Tensor]:
    return {n: p for n, p in parameters(dtype).items() if case is not MUON or p.ndim == 2}


def made(case: Case, params: dict[str, Tensor], **changed: Any) -> Any:
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    alone = {} if case is MUON else {"foreach": False}
    return theirs, case.oracle(list(theirs.values()), **alone, **{**case.options, **changed})


def torch_steps(theirs: Any, oracle: Any, steps: range) -> dict[str, Tensor]:
    for step in steps:
        grads = gradients({n: p.detach() for n, p in theirs.items()}, step)
        for name, param in theirs.items():
            param.grad = grads[name]
        oracle.step()
    return {name: param.detach().clone() for name, param in theirs.items()}


def our_steps(rule: Any, params: Any, state: Any, steps: range) -> Any:
    for step in steps:
        params, state = rule.update(gradients(params, step), state, params)
    return params, state


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY.keys())
def test_a_rule_goes_on_where_torch_is(case: Case, dtype: torch.dtype) -> None:
    theirs, oracle = made(case, start(case, dtype))
    params = torch_steps(theirs, oracle, range(HALF))
    rule = case.rule(**{n: v for n, v in case.options.items() if n != "lr"})
    state = from_torch(rule, oracle.state_dict(), params, count=HALF)
    ours, state = our_steps(rule, params, state, range(HALF, 3 * HALF))
    assert tree.identical(ours, torch_steps(theirs, oracle, range(HALF, 3 * HALF)))
    assert int(state.count) == 3 * HALF


@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY.keys())
def test_torch_goes_on_where_a_rule_is(case: Case) -> None:
    rule, params = case.rule(**case.options), start(case, torch.float32)
    params, state = our_steps(rule, params, rule.init(params), range(HALF))
    theirs, oracle = made(case, params, lr=0.5)
    fresh = oracle.state_dict()
    oracle.load_state_dict(to_torch(rule, fresh, state, names=list(params)))
    assert fresh["param_groups"][0]["lr"] == 0.5, "what was given is left as it was"
    found = torch_steps(theirs, oracle, range(HALF, 3 * HALF))
    ours, after = our_steps(rule, params, state, range(HALF, 3 * HALF))
    assert tree.identical(found, ours)
    again = from_torch(rule, oracle.state_dict(), ours, count=3 * HALF)
    assert tree.identical(again, after)


@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY.keys())
def test_a_beginning_is_a_beginning(case: Case) -> None:
    rule, params = case.rule(**case.options), start(case, torch.float32)
    theirs, oracle = made(case, params)
    assert tree.identical(from_torch(rule, oracle.state_dict(), params), rule.init(params))
    state = rule.init(params)
    oracle.load_state_dict(to_torch(rule, oracle.state_dict(), state, names=list(params)))
    ours, _ = our_steps(rule, params, state, range(HALF))
    assert tree.identical(torch_steps(theirs, oracle, range(HALF)), ours)


def test_a_rule_in_a_chain_and_an_average_is_found() -> None:
    case = CASES["adamw {}"]
    theirs, oracle = made(case, start(case, torch.float32))
    params = torch_steps(theirs, oracle, range(HALF))
    rule = chain(clip_by_value(1.0), ema(adamw(cosine(0.1, steps=20)), 0.9))
    state = from_torch(rule, oracle.state_dict(), params)
    assert tree.identical(state[1].inner, from_torch(adamw(cosine(0.1, steps=20)), oracle.state_dict(), params))  # fmt: skip
    assert int(state[1].inner.count) == HALF
    assert tree.identical(state[1].mean, params)
    assert to_torch(rule, oracle.state_dict(), state)["state"].keys() == set(range(len(params)))


def test_groups_are_taken_over_one_by_one() -> None:
    params = parameters(torch.float32)
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    rest = [param for name, param in theirs.items() if name != "vector"]
    oracle = torch.optim.Adam(
        [{"params": rest, "lr": 0.1}, {"params": [theirs["vector"]], "lr": 0.02}], foreach=False
    )
    names = [*(name for name in params if name != "vector"), "vector"]
    params = torch_steps(theirs, oracle, range(HALF))
    rules = {"vector": adam(), "*": adam()}
    rule = by_path(rules)
    parts = {"vector": ["vector"], "*": names[:-1]}
    state = {
        pattern: from_torch(
            rules[pattern], oracle.state_dict(), {n: params[n] for n in part}, names=names
        )
        for pattern, part in parts.items()
    }
    ours, _ = our_steps(rule, params, state, range(HALF, 2 * HALF))
    assert tree.identical(ours, torch_steps(theirs, oracle, range(HALF, 2 * HALF)))
    with pytest.raises(OptimError, match=r"one rule is exchanged .*; got 2 rules; take the rules"):
        to_torch(rule, oracle.state_dict(), state)
    with pytest.raises(OptimError, match=r"one group of torch's .*; got parameters of 2 groups; t"):
        from_torch(adam(), oracle.state_dict(), params, names=names)


def state_dict(options: dict[str, Any], *, name: str = "Adam", steps: int = 2) -> Any:
    theirs = {n: torch.nn.Parameter(torch.ones(2, 3)) for n in "ab"}
    oracle = getattr(torch.optim, name)(theirs.values(), **options)
    torch_steps(theirs, oracle, range(steps))
    return oracle.state_dict()


def uneven() -> Any:
    found = state_dict({})
    found["state"][1]["step"] = torch.tensor(9.0)
    return found


def missing() -> Any:
    found = state_dict({})
    del found["state"][1]
    return found


PARAMS = {"a": torch.ones(2, 3), "b": torch.ones(2, 3)}


@pytest.mark.parametrize(
    ("rule", "found", "options", "message"),
    [
        (adam(), state_dict({}), {"names": ["a"]}, r"got 1 names for 2 parameters; give names="),
        (adam(), state_dict({}), {"names": ["a", "c"]}, r"one of torch's .*; got b, which is none"),
        (adam(), uneven(), {}, r"counts the updates .* together; got torch's \[2, 9\] updates, and 0"),
        (adam(), missing(), {}, r"got torch's \[2\] updates, and 1 parameters without a state; give"),
        (adamw(), state_dict({}), {}, r"with its options; got decoupled_weight_decay=True in ours"),
        (adam(amsgrad=True), state_dict({}), {}, r"amsgrad=True in ours and False in torch's; make"),
        (sgd(), state_dict({"maximize": True}, name="SGD"), {}, r"got maximize=False in ours and Tr"),
        (sgd(momentum=0.9), state_dict({}, name="SGD"), {}, r"momentum=0.9 in ours and 0 in torch"),
        (sgd(), state_dict({"momentum": 0.9}, name="SGD"), {}, r"momentum=0.0 in ours and 0.9 in to"),
        (adam(), state_dict({"weight_decay": 0.1}), {}, r"weight_decay=0.0 in ours and 0.1 in torch"),
        (nadam(), state_dict({}), {}, r"got momentum_decay=0.004 in ours and None in torch's"),
        (rprop(), state_dict({}), {}, r"got eta_minus=0.5 in ours and None in torch's"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(rule: Any, found: Any, options: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        from_torch(rule, found, PARAMS, **options)


def test_states_of_another_shape_or_kind_are_refused() -> None:
    found = state_dict({})
    with pytest.raises(
        OptimError, match=r"exp_avg of shape \[2, 3\] for a of \[3, 2\]; give names"
    ):
        from_torch(adam(), found, {"a": torch.ones(3, 2), "b": torch.ones(2, 3)})
    found["state"][0]["max_exp_avg_sq"] = torch.ones(2, 3)
    with pytest.raises(
        OptimError, match=r"got torch's state of a with 'max_exp_avg_sq'; make both"
    ):
        from_torch(adam(), found, PARAMS)
    del found["state"][0]["exp_avg"]
    with pytest.raises(OptimError, match=r"got exp_avg in ours and none in torch's state of a"):
        from_torch(adam(), found, PARAMS)
