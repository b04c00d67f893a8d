"""Sign rules: steps that keep of a gradient its sign, lion and rprop."""

import math

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.leafwise import Scalars, leafwise
from artifact_fn.optim.scalars import betas_in_range, not_negative
from artifact_fn.optim.schedules import Schedule, check_rate
from artifact_fn.optim.transform import Rule

Moments = dict[str, Tensor]


def lion(
    lr: float | Schedule = 1e-4,
    *,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Rule:
    """Lion (Chen et al., arXiv 2302.06675, algorithm 2): the sign of an interpolated momentum.

        p = p * (1 - lr * weight_decay) - lr * sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g

    Args:
        lr: Learning rate, at least 0, or a schedule of it; a third to a tenth of AdamW's.
        betas: How much of m is in the step, and how much of it is kept, each in [0, 1).
        weight_decay: Decoupled, at least 0.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = lion(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    not_negative(weight_decay=weight_decay)
    betas_in_range(betas)

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        return {
            "rest1": 1 - hyper["beta1"],
            "rest2": 1 - hyper["beta2"],
            "minus_lr": -hyper["lr"],
            "shrink": 1 - hyper["lr"] * hyper["weight_decay"],
        }

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        direction = torch.lerp(m["exp_avg"], grad, h["rest1"]).sign()
        param = torch.addcmul(param * h["shrink"], direction, h["minus_lr"])
        return param, {"exp_avg": torch.lerp(m["exp_avg"], grad, h["rest2"])}

    return leafwise(
        lr,
        leaf,
        hyper={"beta1": betas[0], "beta2": betas[1], "weight_decay": weight_decay},
        moments={"exp_avg": 0.0},
        prepare=prepare,
        maximize=maximize,
    )


def rprop(
    lr: float = 1e-2,
    *,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> Rule:
    """Resilient backpropagation (Riedmiller and Braun, ICNN 1993), as `torch.optim.Rprop`.

        s = clamp(s * (eta_plus if g * g_before > 0 else eta_minus if < 0 else 1), *step_sizes)
        g = 0 where g * g_before < 0          p = p - s * sign(g)

    Args:
        lr: The first step size s, at least 0; a schedule would have nothing to act on.
        etas: What s shrinks and grows by, 0 < etas[0] < 1 < etas[1].
        step_sizes: Least and greatest s.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = rprop(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    if callable(lr):
        raise OptimError(
            "rprop has no rate to schedule: lr is its first step size",
            got="a schedule",
            do="give a number; the step sizes find their own way from it",
        )
    check_rate(lr)
    if not 0.0 < step_sizes[0] <= step_sizes[1] < math.inf:
        raise OptimError(
            "step sizes are positive, the least before the greatest",
            got=f"step_sizes={step_sizes}",
            do="give e.g. 1e-6, 50",
        )
    if not 0.0 < etas[0] < 1.0 < etas[1]:
        raise OptimError("etas lie on both sides of 1", got=f"etas={etas}", do="give e.g. 0.5, 1.2")

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        agreed = grad * m["prev"]
        factor = torch.where(agreed < 0, h["eta_minus"], torch.ones_like(grad))
        factor = torch.where(agreed > 0, h["eta_plus"], factor)
        size = (m["step_size"] * factor).clamp(h["least"], h["greatest"])
        grad = torch.where(agreed < 0, torch.zeros_like(grad), grad)
        return torch.addcmul(param, -grad.sign(), size), {"prev": grad, "step_size": size}

    return leafwise(
        lr,
        leaf,
        hyper={
            "eta_minus": etas[0],
            "eta_plus": etas[1],
            "least": step_sizes[0],
            "greatest": step_sizes[1],
        },
        moments={"prev": 0.0, "step_size": lr},
        maximize=maximize,
    )
