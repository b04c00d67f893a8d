"""Rules: equal to torch.optim's single-tensor loops, bit for bit, state included (law 7)."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.optim import (
    Rule,
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    asgd,
    cosine,
    nadam,
    radam,
    rmsprop,
    rprop,
    sgd,
)

Options = dict[str, Any]


@attrs.frozen
class Case:
    """A rule of ours beside the class of torch's that it must equal.

    Attributes:
        rule: Ours.
        oracle: Theirs.
        options: Keyword arguments both take.
        state: Moment of our state to the key of theirs.
    """

    rule: Callable[..., Rule]
    oracle: Callable[..., torch.optim.Optimizer]
    options: Options
    state: dict[str, str]


MOMENTS = {"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}
TABLE: list[tuple[Any, Any, dict[str, str], list[Options]]] = [
    (
        sgd,
        torch.optim.SGD,
        {},
        [{"lr": 0.1}, {"lr": 0.1, "weight_decay": 0.01, "maximize": True}],
    ),
    (
        sgd,
        torch.optim.SGD,
        {"momentum_buffer": "momentum_buffer"},
        [
            {"lr": 0.05, "momentum": 0.9},
            {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
            {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
        ],
    ),
    (
        adam,
        torch.optim.Adam,
        MOMENTS,
        [{}, {"lr": 3e-3, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.05}],
    ),
    (
        adam,
        torch.optim.Adam,
        MOMENTS | {"max_exp_avg_sq": "max_exp_avg_sq"},
        [{"amsgrad": True, "weight_decay": 0.1, "maximize": True}],
    ),
    (
        adamw,
        torch.optim.AdamW,
        MOMENTS | {"max_exp_avg_sq": "max_exp_avg_sq"},
        [{"amsgrad": True, "maximize": True}],
    ),
    (
        asgd,
        torch.optim.ASGD,
        {"ax": "ax"},
        [
            {},
            {"lr": 0.1, "lambd": 0.02, "alpha": 0.6, "t0": 5, "weight_decay": 0.1},
            {"t0": 0.0, "maximize": True},
        ],
    ),
    (
        rprop,
        torch.optim.Rprop,
        {"prev": "prev", "step_size": "step_size"},
        [{}, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 1.0), "maximize": True}],
    ),
    (
        adamw,
        torch.optim.AdamW,
        MOMENTS,
        [{}, {"lr": 3e-3, "betas": (0.5, 0.9), "eps": 1e-5, "weight_decay": 0.0}],
    ),
    (
        adagrad,
        torch.optim.Adagrad,
        {"sum": "sum"},
        [
            {},
            {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True},
            {"initial_accumulator_value": 0.3, "eps": 1e-3},
        ],
    ),
    (
        adadelta,
        torch.optim.Adadelta,
        {"square_avg": "square_avg", "acc_delta": "acc_delta"},
        [{}, {"lr": 0.3, "rho": 0.7, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}],
    ),
    (
        rmsprop,
        torch.optim.RMSprop,
        {"square_avg": "square_avg"},
        [{}, {"lr": 3e-3, "alpha": 0.8, "eps": 1e-5, "weight_decay": 0.1, "maximize": True}],
    ),
    (
        rmsprop,
        torch.optim.RMSprop,
        {"square_avg": "square_avg", "grad_avg": "grad_avg", "momentum_buffer": "momentum_buffer"},
        [{"centered": True, "momentum": 0.9, "eps": 0.1}],
    ),
    (
        adamax,
        torch.optim.Adamax,
        {"exp_avg": "exp_avg", "exp_inf": "exp_inf"},
        [{}, {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "maximize": True}],
    ),
    (
        nadam,
        torch.optim.NAdam,
        MOMENTS,
        [
            {},
            {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "maximize": True},
            {"momentum_decay": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True},
        ],
    ),
    (
        radam,
        torch.optim.RAdam,
        MOMENTS,
        [
            {},
            {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "maximize": True},
            {"weight_decay": 0.1, "decoupled_weight_decay": True},
        ],
    ),
]
CASES = {
    f"{rule.__name__} {options}": Case(rule, oracle, options, state)
    for rule, oracle, state, table in TABLE
    for options in table
}
DTYPES = [torch.float32, torch.float64]
SHAPES = {"matrix": (33, 17), "vector": (13,), "scalar": (), "empty": (0,), "one": (1, 1)}


def parameters(dtype: torch.dtype) -> dict[str, Tensor]:
    keys = random.split(random.key(1), len(SHAPES))
    return {
        name: random.normal(key, shape, dtype=dtype)
        for key, (name, shape) in zip(keys, SHAPES.items(), strict=True)
    }


def gradients(params: dict[str, Tensor], step: int) -> dict[str, Tensor]:
    """Random ones, of all sizes; now and then zeros."""
    keys = random.split(random.fold_in(random.key(2), step), len(params))
    scale = 0.0 if step % 13 == 5 else 10.0 ** (step % 5 - 2)
    return {
        name: random.normal(key, param.shape, dtype=param.dtype) * scale
        for key, (name, param) in zip(keys, params.items(), strict=True)
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bit_equal_to_torch_optim(case: Case, dtype: torch.dtype) -> None:
    rule, params = case.rule(**case.options), parameters(dtype)
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    oracle = case.oracle(list(theirs.values()), foreach=False, **case.options)
    state = rule.init(params)
    for step in range(100):
        grads = gradients(params, step)
        for name, param in theirs.items():
            param.grad = grads[name].clone()
        oracle.step()
        params, state = rule.update(grads, state, params)
        assert tree.identical(params, {n: p.detach() for n, p in theirs.items()}), f"step {step}"
    for field, key in case.state.items():
        for name, ours in state.moments[field].items():
            assert tree.identical(ours, oracle.state[theirs[name]][key]), (field, name)
    for kept in map(oracle.state.__getitem__, theirs.values()):
        assert state.count.item() == int(kept.get("step", 100)) == 100
        for name in {"mu_product", "eta", "mu"} & kept.keys():
            assert state.hyper[name].item() == float(kept[name]), name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_complex_parameters_are_pairs_of_real_ones(case: Case) -> None:
    rule = case.rule(**case.options)
    params = {"w": torch.view_as_complex(parameters(torch.float64)["matrix"][:, :2].contiguous())}
    theirs = torch.nn.Parameter(params["w"].clone())
    oracle, state = case.oracle([theirs], foreach=False, **case.options), rule.init(params)
    for step in range(20):
        grads = {"w": params["w"] * (step % 3 - 0.9) + 0.1j}
        theirs.grad = grads["w"].clone()
        oracle.step()
        params, state = rule.update(grads, state, params)
        # In some rules torch adds a multiple to a complex number (a weight decay, or the step
        # itself); we do it to its parts, where product and sum are one operation, which rounds
        # once instead of twice.
        if case.rule in (sgd, adadelta, adagrad, rmsprop, adamax):
            torch.testing.assert_close(params["w"], theirs.detach(), rtol=1e-14, atol=1e-14)
        else:
            assert tree.identical(params["w"], theirs.detach())


def test_a_complex_multiple_is_added_in_two_operations_and_a_real_one_in_one() -> None:
    """Why some rules equal torch's to rounding only where parameters are complex."""
    a, b = (random.normal(random.key(i), (500, 2), dtype=torch.float64) for i in (1, 2))
    theirs = torch.view_as_complex(a).add(torch.view_as_complex(b), alpha=-0.1)
    scale = torch.tensor(-0.1, dtype=torch.float64)
    assert tree.identical(torch.view_as_real(theirs), a + b * scale)
    assert not tree.identical(torch.view_as_real(theirs), torch.addcmul(a, b, scale))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_elementwise_rules_move_a_flat_vector_alike(case: Case) -> None:
    def flat(leaves: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"": torch.cat([leaf.reshape(-1) for leaf in leaves.values()])}

    rule, params = case.rule(**case.options), parameters(torch.float32)
    assert rule.elementwise
    vector = flat(params)
    state, flat_state = rule.init(params), rule.init(vector)
    for step in range(10):
        grads = gradients(params, step)
        params, state = rule.update(grads, state, params)
        vector, flat_state = rule.update(flat(grads), flat_state, vector)
        torch.testing.assert_close(vector, flat(params), rtol=1e-5, atol=1e-6)


def test_a_schedule_is_a_rate_set_before_each_update() -> None:
    schedule = cosine(0.1, steps=20)
    rule, params = adamw(schedule), parameters(torch.float32)
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    oracle = torch.optim.AdamW(list(theirs.values()), foreach=False)
    state = rule.init(params)
    for step in range(25):
        grads = gradients(params, step)
        for name, param in theirs.items():
            param.grad = grads[name].clone()
        rate = schedule(torch.tensor(step)).item()
        oracle.param_groups[0]["lr"] = rate
        oracle.step()
        params, state = rule.update(grads, state, params)
        assert rule.report(state)["lr"].item() == rate
    assert tree.identical(params, {n: p.detach() for n, p in theirs.items()})


def test_a_plain_rate_can_be_changed_in_the_state() -> None:
    rule, params = sgd(0.1), {"w": torch.tensor([1.0])}
    state = rule.init(params)
    halved = tree.replace(state, hyper={**state.hyper, "lr": state.hyper["lr"] / 2})
    params, _ = rule.update({"w": torch.tensor([1.0])}, halved, params)
    assert params["w"].item() == pytest.approx(0.95)


def test_a_rule_differentiates_through_its_rate() -> None:
    rule, params = sgd(0.1), {"w": torch.tensor([2.0], dtype=torch.float64)}
    state = rule.init(params)

    def loss_after(rate: Tensor) -> Tensor:
        moved = tree.replace(state, hyper={**state.hyper, "lr": rate})
        after, _ = rule.update({"w": 2 * params["w"]}, moved, params)
        return (after["w"] ** 2).sum()

    rate = torch.tensor(0.1, dtype=torch.float64)
    assert torch.func.grad(loss_after)(rate).item() == pytest.approx(-2 * (2 - 0.4) * 4)
