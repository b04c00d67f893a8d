"""Averaged gradient descent: asgd, which keeps the mean of where it has been."""

import torch
from torch import Tensor

from artifact_fn.optim.leafwise import Scalars, leafwise
from artifact_fn.optim.scalars import not_negative
from artifact_fn.optim.schedules import Schedule, schedule_of
from artifact_fn.optim.transform import Rule

Moments = dict[str, Tensor]


def asgd(
    lr: float | Schedule = 1e-2,
    *,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Rule:
    """Averaged SGD (Polyak and Juditsky, SIAM J. Control 1992), as `torch.optim.ASGD`.

        p = p * (1 - lambd * eta) - eta * g          ax = ax + mu * (p - ax)
        eta = lr / (1 + lambd * lr * t)**alpha       mu = 1 / max(1, t - t0), for the next update

    The mean is the moment `ax` of the state.

    Args:
        lr: Learning rate, at least 0, or a schedule of it; acts one update later, as in torch.
        lambd: Decay.
        alpha: Power by which eta falls.
        t0: Update after which averaging begins.
        weight_decay: L2 penalty, at least 0.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = asgd(0.1, lambd=0.0)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([1.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    not_negative(weight_decay=weight_decay)
    first = schedule_of(lr)(torch.zeros((), dtype=torch.int64)).float().item()

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        rate = hyper["lr"]
        eta = rate / torch.pow(1 + hyper["lambd"] * rate * time, hyper["alpha"])
        return {
            # torch keeps both in float32, whatever the parameters are.
            "eta": eta.float().double(),
            "mu": (1 / (time - hyper["t0"]).clamp(min=1)).float().double(),
            "shrink": 1 - hyper["lambd"] * hyper["eta"],
            "minus_eta": -hyper["eta"],
            "weight": hyper["mu"],
        }

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        param = torch.addcmul(param * h["shrink"], grad, h["minus_eta"])
        mean = m["ax"] + (param - m["ax"]) * h["weight"]
        return param, {"ax": torch.where(h["weight"] == 1, param, mean)}

    return leafwise(
        lr,
        leaf,
        hyper={"lambd": lambd, "alpha": alpha, "t0": t0, "eta": first, "mu": 1.0},
        moments={"ax": 0.0},
        prepare=prepare,
        maximize=maximize,
        l2=weight_decay,
    )
