"""Hyper: schedules of every hyperparameter, and rates lowered between epochs."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact_fn import tree
from artifact_fn.errors import FoldError, OptimError
from artifact_fn.folds import Epoch
from artifact_fn.optim import (
    adamw,
    by_path,
    chain,
    clip_by_value,
    cosine,
    linear,
    lowered,
    muon,
    one_cycle,
    reduce_on_plateau,
    scheduled,
    sgd,
    warmup,
)
from artifact_fn.testing import check_transform

PARAMS = {"w": torch.linspace(-1, 1, 6), "b": torch.ones(2)}


def test_momentum_cycles_as_torchs() -> None:
    rates = one_cycle(0.1, steps=30)
    momenta = one_cycle(0.95, steps=30, div_factor=1.0, final_div_factor=1.0)
    rule, params = scheduled(sgd(rates, momentum=0.5), momentum=momenta), PARAMS
    theirs = {name: torch.nn.Parameter(param.clone()) for name, param in params.items()}
    oracle = torch.optim.SGD(list(theirs.values()), lr=1.0, momentum=0.9, foreach=False)
    state = rule.init(params)
    for i in range(30):
        oracle.param_groups[0]["lr"] = rates(torch.tensor(i)).item()
        oracle.param_groups[0]["momentum"] = momenta(torch.tensor(i)).item()
        grads = {name: (param - 0.3) * (1 + i % 3) for name, param in params.items()}
        for name, param in theirs.items():
            param.grad = grads[name].clone()
        oracle.step()
        params, state = rule.update(grads, state, params)
        assert tree.identical(params, {n: p.detach() for n, p in theirs.items()})
        assert state.hyper["momentum"].item() == momenta(torch.tensor(i)).item()


def test_a_scheduled_rule_is_pure() -> None:
    check_transform(scheduled(adamw(0.1), beta1=linear(0.9, final=0.5, steps=2)))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.5, 0.0]),
    st.sampled_from([0.0, 0.03]),
    st.sampled_from([1e-8, 0.02]),
)
@settings(max_examples=50)
def test_the_rate_is_that_of_torch(
    scores: list[float], factor: float, min_lr: float, eps: float
) -> None:
    options: Any = {"factor": factor, "patience": 1, "min_lr": min_lr, "eps": eps, "cooldown": 1}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    control = reduce_on_plateau("val/loss", **options)
    carry, state = control.init(), Held(chain(clip_by_value(1.0), sgd(0.3)).init(PARAMS))
    for index, score in enumerate(scores, 1):
        theirs.step(score)
        carry = control.step(carry, Epoch(index, None, {"val/loss": score}))
        state = control.extract(carry)(state)
        assert state.opt_state[1].hyper["lr"].item() == optimizer.param_groups[0]["lr"]


@tree.node
class Held:
    """What a control sees of a state."""

    opt_state: Any


def test_every_rate_is_lowered_and_nothing_else() -> None:
    rule = by_path({"w": sgd(warmup(0.4, steps=2), momentum=0.9), "b": adamw(0.2)})
    grads = {name: torch.ones_like(param) for name, param in PARAMS.items()}
    params, state = rule.update(grads, rule.init(PARAMS), PARAMS)
    params, state = rule.update(grads, state, params)
    after = lowered(state, 0.5)
    changed = {
        path
        for path, leaf in tree.paths(state).items()
        if not tree.identical(leaf, tree.paths(after)[path])
    }
    assert changed == {"w/hyper/lr", "w/hyper/lr_scale", "b/hyper/lr"}
    _, after = rule.update(grads, after, params)
    told = rule.report(after)
    assert told["lr[w]"].item() == pytest.approx(0.2), "half of what the schedule says"
    assert told["lr[b]"].item() == pytest.approx(0.1)


def test_a_rate_of_zero_stays() -> None:
    state = lowered(sgd(cosine(0.0, steps=2)).init(PARAMS), 0.5, min_lr=0.1)
    assert state.hyper["lr_scale"].item() == 1.0
    assert muon(0.1).init({"w": torch.eye(2)}).hyper.keys() == {"lr", "weight_decay", "momentum"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: scheduled(sgd(0.1), beta1=cosine(0.9, steps=2)).init(PARAMS),
            r"no hyperparameter 'beta1'; got a rule with lr, weight_decay, momentum, dampening; na",
        ),
        (
            lambda: scheduled(chain(sgd(0.1)), momentum=cosine(0.9, steps=2)).init(PARAMS),
            r"no hyperparameter 'momentum'; got a rule with none; name one of them, of a rule",
        ),
        (
            lambda: scheduled(sgd(0.1), momentum=cosine(0.9, steps=2)).init(PARAMS),
            r"left out of .*; got a schedule of momentum, which .* as 0; make the rule with",
        ),
        (lambda: lowered((), 1.0), r"a factor below 1, .*; got factor=1.0, min_lr=0.0, eps=0.0"),
        (
            lambda: reduce_on_plateau("val/loss", factor=-1.0),
            r"got factor=-1.0.*; give e.g. factor",
        ),
        (lambda: reduce_on_plateau("val/loss", min_lr=-1.0), r"got factor=0.1, min_lr=-1.0"),
    ],
)
def test_impossible_ones_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()
    with pytest.raises(FoldError, match="patience counts evaluations"):
        reduce_on_plateau("val/loss", patience=-1)
