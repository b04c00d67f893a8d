"""Adaptive rules: a rate for each element, from the squares of its gradients."""

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.leafwise import Scalars, leafwise
from artifact_fn.optim.scalars import not_negative
from artifact_fn.optim.schedules import Schedule
from artifact_fn.optim.transform import Rule

Moments = dict[str, Tensor]


def adagrad(
    lr: float | Schedule = 1e-2,
    *,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> Rule:
    """Adagrad (Duchi, Hazan and Singer, JMLR 2011), as `torch.optim.Adagrad`.

        s = s + g**2          p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        lr_decay: Of the rate, at least 0.
        weight_decay: L2 penalty, at least 0.
        initial_accumulator_value: What the sum of squares begins with, at least 0.
        eps: Added to the denominator, at least 0.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adagrad(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    not_negative(
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
        eps=eps,
    )

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        return {"minus_step": -(hyper["lr"] / (1 + (time - 1) * hyper["lr_decay"]))}

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        total = torch.addcmul(m["sum"], grad, grad)
        param = torch.addcdiv(param, grad * h["minus_step"], total.sqrt() + h["eps"])
        return param, {"sum": total}

    return leafwise(
        lr,
        leaf,
        hyper={"lr_decay": lr_decay, "eps": eps},
        moments={"sum": initial_accumulator_value},
        prepare=prepare,
        maximize=maximize,
        l2=weight_decay,
    )


def adadelta(
    lr: float | Schedule = 1.0,
    *,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Rule:
    """Adadelta (Zeiler, arXiv 1212.5701), as `torch.optim.Adadelta`.

        s = rho * s + (1 - rho) * g**2          d = sqrt(a + eps) / sqrt(s + eps) * g
        a = rho * a + (1 - rho) * d**2          p = p - lr * d

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        rho: How much of the two running means is kept, in [0, 1].
        eps: Added under the roots, at least 0.
        weight_decay: L2 penalty, at least 0.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adadelta(eps=0.01)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.6844])}
    """
    not_negative(eps=eps, weight_decay=weight_decay)
    if not 0.0 <= rho <= 1.0:
        raise OptimError("rho lies in [0, 1]", got=f"rho={rho}", do="give e.g. 0.9")

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        return {"minus_lr": -hyper["lr"], "rest": 1 - hyper["rho"]}

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        square = torch.addcmul(m["square_avg"] * h["rho"], grad * h["rest"], grad)
        delta = (m["acc_delta"] + h["eps"]).sqrt() / (square + h["eps"]).sqrt() * grad
        moved = torch.addcmul(m["acc_delta"] * h["rho"], delta * h["rest"], delta)
        param = torch.addcmul(param, delta, h["minus_lr"])
        return param, {"square_avg": square, "acc_delta": moved}

    return leafwise(
        lr,
        leaf,
        hyper={"rho": rho, "eps": eps},
        moments={"square_avg": 0.0, "acc_delta": 0.0},
        prepare=prepare,
        maximize=maximize,
        l2=weight_decay,
    )


def rmsprop(
    lr: float | Schedule = 1e-2,
    *,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> Rule:
    """RMSprop (Hinton, lecture 6 of 2012; centered: Graves, arXiv 1308.0850), as torch's.

        s = alpha * s + (1 - alpha) * g**2          a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (sqrt(s - a**2 if centered else s) + eps)          p = p - lr * b

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        alpha: How much of the running means is kept, at least 0.
        eps: Added to the denominator, at least 0.
        weight_decay: L2 penalty, at least 0.
        momentum: At least 0; 0 keeps no `b`.
        centered: Whether to divide by the deviation instead of the root mean square.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = rmsprop(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.])}
    """
    not_negative(alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        return {"minus_lr": -hyper["lr"], "rest": 1 - hyper["alpha"]}

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        square = torch.addcmul(m["square_avg"] * h["alpha"], grad * h["rest"], grad)
        after, spread = {"square_avg": square}, square
        if centered:
            mean = torch.lerp(m["grad_avg"], grad, h["rest"])
            after["grad_avg"], spread = mean, torch.addcmul(square, -mean, mean)
        root = spread.sqrt() + h["eps"]
        if not momentum:
            return torch.addcdiv(param, grad * h["minus_lr"], root), after
        buffer = torch.addcdiv(m["momentum_buffer"] * h["momentum"], grad, root)
        after["momentum_buffer"] = buffer
        return torch.addcmul(param, buffer, h["minus_lr"]), after

    return leafwise(
        lr,
        leaf,
        hyper={"alpha": alpha, "eps": eps, "momentum": momentum},
        moments={"square_avg": 0.0}
        | ({"grad_avg": 0.0} if centered else {})
        | ({"momentum_buffer": 0.0} if momentum else {}),
        prepare=prepare,
        maximize=maximize,
        l2=weight_decay,
        options={"centered": centered},
    )
