"""Leafwise rule: one elementwise function, applied to every parameter.

What an elementwise rule does to an element depends on that element, its gradient, its moments
and scalars alone, so parameters may be stored as one flat vector and come out the same. A
complex parameter is a real one with two numbers in place of each. `torch.optim` splits it later
in some rules, and adds a multiple to it in two operations where that of real numbers is one; those
are equalled to rounding.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.optim.scalars import caster, count_of, hyper_now, report_lr, scalars
from artifact_fn.optim.schedules import Schedule, schedule_of
from artifact_fn.optim.transform import Grads, Params, Rule

Scalars = dict[str, Tensor]
Leaf = Callable[[Tensor, Tensor, dict[str, Tensor], Scalars], tuple[Tensor, dict[str, Tensor]]]
"""(grad, param, moments, scalars) to (param, moments), all of one shape and dtype."""
Prepare = Callable[[Scalars, Tensor], Scalars]
"""(hyperparameters, number of this update) to scalars made of them, float64 []."""


@tree.node
class RuleState:
    """State of a leafwise rule.

    Attributes:
        count: int64 [], updates done.
        hyper: float64 [] each; `lr` is the rate of the last update, and `lr_scale` what a scheduled
            one is multiplied by.
        moments: By name, then by path, as the parameters.

    Example:
        >>> from artifact_fn.optim import adam
        >>> state = adam(0.1).init({"w": torch.ones(2)})
        >>> state.count, list(state.moments)
        (tensor(0), ['exp_avg', 'exp_avg_sq'])
    """

    count: Tensor
    hyper: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]


def leafwise(
    lr: float | Schedule,
    leaf: Leaf,
    *,
    hyper: dict[str, float],
    moments: dict[str, float],
    prepare: Prepare = lambda hyper, time: {},
    maximize: bool = False,
    l2: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> Rule:
    """A rule from what it does to one parameter.

    Args:
        lr: Learning rate or a schedule of it.
        leaf: What is done to a parameter; must be elementwise.
        hyper: Hyperparameters besides `lr`, kept in the state.
        moments: Names of what is remembered for each element, and their first values.
        prepare: Scalars computed once an update in float64, as torch does in Python; those named
            as a hyperparameter are kept in its place.
        maximize: Whether to climb.
        l2: Penalty added to the gradient, times the parameter; kept in the state as
            `weight_decay`.
        options: What else is built into the rule, by torch's name.

    Example:
        >>> rule = leafwise(
        ...     0.5, lambda g, p, m, h: (p - h["lr"] * g, m), hyper={}, moments={})
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([1.0])}, rule.init(params), params)[0]
        {'w': tensor([0.5000])}
    """
    schedule_of(lr)  # refuses what is no rate
    kept = {"weight_decay": l2} | hyper

    def init(params: Params) -> RuleState:
        count = count_of(params)
        first = {
            name: {path: _full(param, value) for path, param in params.items()}
            for name, value in moments.items()
        }
        return RuleState(count, scalars(lr, count, **kept), first)

    def update(grads: Grads, state: RuleState, params: Params) -> tuple[Params, RuleState]:
        set_now = hyper_now(state.hyper, lr, state.count)
        time = (state.count + 1).to(torch.float64)
        known = set_now | prepare(set_now, time)
        new_params: Params = {}
        new_moments: dict[str, Params] = {name: {} for name in moments}
        cast: dict[torch.dtype, Scalars] = {}
        for path, param in params.items():
            grad, element = _real(grads[path]), _real(param)
            kind = element.dtype
            if kind not in cast:
                cast[kind] = {name: caster(element)(value) for name, value in known.items()}
            told = cast[kind]
            if maximize:
                grad = -grad
            if l2:
                grad = torch.addcmul(grad, element, told["weight_decay"])
            remembered = {name: _real(state.moments[name][path]) for name in moments}
            element, remembered = leaf(grad, element, remembered, told)
            new_params[path] = _like(param, element)
            for name, moment in remembered.items():
                new_moments[name][path] = _like(param, moment)
        after = {name: known[name] for name in state.hyper}
        return new_params, RuleState(state.count + 1, after, new_moments)

    return Rule(
        init, update, report_lr, elementwise=True, options={**(options or {}), "maximize": maximize}
    )


def _full(param: Tensor, value: float) -> Tensor:
    return _like(param, torch.full_like(_real(param), value))


def _real(leaf: Tensor) -> Tensor:
    return torch.view_as_real(leaf) if leaf.is_complex() else leaf


def _like(param: Tensor, leaf: Tensor) -> Tensor:
    return torch.view_as_complex(leaf) if param.is_complex() else leaf
