"""Muon: a rule for matrices, whose steps are nearly orthogonal."""

import math
from typing import Literal

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.leafwise import RuleState
from artifact_fn.optim.scalars import (
    caster,
    count_of,
    hyper_now,
    not_negative,
    report_lr,
    scalars,
    zeros,
)
from artifact_fn.optim.schedules import Schedule, schedule_of
from artifact_fn.optim.transform import Grads, Params, Rule


def muon(
    lr: float | Schedule = 1e-3,
    *,
    weight_decay: float = 0.1,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
    eps: float = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
) -> Rule:
    """Muon (Jordan et al., 2024), as `torch.optim.Muon`.

        b = momentum * b + (1 - momentum) * g
        o = orthogonal(g + momentum * (b - g) if nesterov else b), by Newton and Schulz in bfloat16
        p = p * (1 - lr * weight_decay) - lr * adjustment * o

    Only matrices: give it those by `by_path` or `masked`, and the rest to `adamw`.

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        weight_decay: Decoupled, at least 0.
        momentum: At least 0.
        nesterov: Whether to look ahead.
        ns_coefficients: Of the quintic polynomial that is iterated.
        eps: Least norm to divide by.
        ns_steps: How often it is iterated, below 100.
        adjust_lr_fn: How a rate is adjusted to a matrix: by sqrt(max(1, rows / columns)) as in
            the original and by default, or by 0.2 * sqrt(max(rows, columns)), with which rates
            and decays found for adamw can be kept (Liu et al., arXiv 2502.16982).

    Raises:
        OptimError: an argument is out of range; at `init`, a parameter is not a matrix.

    Example:
        >>> rule = muon(0.1, weight_decay=0.0)
        >>> params = {"w": torch.zeros(2, 2)}
        >>> rule.update({"w": torch.eye(2)}, rule.init(params), params)[0]["w"].diag().sign()
        tensor([-1., -1.])
    """
    schedule_of(lr)  # refuses what is no rate
    not_negative(weight_decay=weight_decay, momentum=momentum)
    if not 0 <= ns_steps < 100:
        raise OptimError("ns_steps is below 100", got=f"ns_steps={ns_steps}", do="give e.g. 5")

    if len(ns_coefficients) != 3:
        raise OptimError(
            "a quintic polynomial that is odd has 3 coefficients",
            got=f"ns_coefficients={ns_coefficients}",
            do="give e.g. 3.4445, -4.775, 2.0315",
        )
    if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
        raise OptimError(
            "a rate is adjusted to a matrix in one of two ways",
            got=f"adjust_lr_fn={adjust_lr_fn!r}",
            do="give 'original' or 'match_rms_adamw'",
        )

    def adjustment(rows: int, columns: int) -> float:
        if adjust_lr_fn == "match_rms_adamw":
            return 0.2 * math.sqrt(max(rows, columns))
        return math.sqrt(max(1, rows / columns))

    def init(params: Params) -> RuleState:
        for name, param in params.items():
            if param.ndim != 2:
                raise OptimError(
                    "muon moves matrices",
                    got=f"{name} of shape {list(param.shape)}",
                    do="give it the matrices by by_path or masked, and the rest to adamw",
                )
        count = count_of(params)
        hyper = scalars(lr, count, weight_decay=weight_decay, momentum=momentum)
        return RuleState(count, hyper, {"momentum_buffer": zeros(params)})

    def update(grads: Grads, state: RuleState, params: Params) -> tuple[Params, RuleState]:
        hyper = hyper_now(state.hyper, lr, state.count)
        new_params: Params = {}
        buffers: Params = {}
        for name, param in params.items():
            cast, grad = caster(param), grads[name]
            kept = cast(hyper["momentum"])
            buffer = torch.lerp(
                state.moments["momentum_buffer"][name], grad, cast(1 - hyper["momentum"])
            )
            ahead = torch.lerp(grad, buffer, kept) if nesterov else buffer
            step = _orthogonal(ahead, ns_coefficients, ns_steps, eps).to(param.dtype)
            ratio = adjustment(*param.shape)
            shrunk = param * cast(1 - hyper["lr"] * hyper["weight_decay"])
            new_params[name] = torch.addcmul(shrunk, step, cast(-(hyper["lr"] * ratio)))
            buffers[name] = buffer
        return new_params, RuleState(state.count + 1, hyper, {"momentum_buffer": buffers})

    options = {
        "nesterov": nesterov,
        "ns_coefficients": tuple(ns_coefficients),
        "eps": eps,
        "ns_steps": ns_steps,
        "adjust_lr_fn": adjust_lr_fn,
    }
    return Rule(init, update, report_lr, options=options)


def _orthogonal(
    matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.bfloat16().T if tall else matrix.bfloat16()
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if tall else wide
