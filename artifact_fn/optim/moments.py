"""Relatives of Adam: adamax, nadam and radam, as torch.optim's single-tensor loops."""

import torch
from torch import Tensor

from artifact_fn.optim.leafwise import Scalars, leafwise
from artifact_fn.optim.scalars import betas_in_range, not_negative
from artifact_fn.optim.schedules import Schedule
from artifact_fn.optim.transform import Rule

Moments = dict[str, Tensor]


def adamax(
    lr: float | Schedule = 2e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Rule:
    """Adamax (Kingma and Ba, ICLR 2015, section 7), as `torch.optim.Adamax`.

        m = beta1 * m + (1 - beta1) * g          u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1**t) * m / u

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the mean and of the largest gradient is kept, each in [0, 1).
        eps: Added to the size of a gradient, at least 0.
        weight_decay: L2 penalty, at least 0.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adamax(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    not_negative(eps=eps, weight_decay=weight_decay)
    betas_in_range(betas)

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        step = hyper["lr"] / (1 - torch.pow(hyper["beta1"], time))
        return {"rest1": 1 - hyper["beta1"], "minus_step": -step}

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        mean = torch.lerp(m["exp_avg"], grad, h["rest1"])
        largest = torch.maximum(m["exp_inf"] * h["beta2"], grad.abs() + h["eps"])
        param = torch.addcdiv(param, mean * h["minus_step"], largest)
        return param, {"exp_avg": mean, "exp_inf": largest}

    return leafwise(
        lr,
        leaf,
        hyper={"beta1": betas[0], "beta2": betas[1], "eps": eps},
        moments={"exp_avg": 0.0, "exp_inf": 0.0},
        prepare=prepare,
        maximize=maximize,
        l2=weight_decay,
    )


def nadam(
    lr: float | Schedule = 2e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Rule:
    """Adam with Nesterov's momentum (Dozat, ICLR workshop 2016), as `torch.optim.NAdam`.

        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)          M(t) = mu(1) * ... * mu(t)
        d = sqrt(v / (1 - beta2**t)) + eps          m, v as in `adam`
        p = p - lr * (1 - mu(t)) / (1 - M(t)) * g / d - lr * mu(t + 1) / (1 - M(t + 1)) * m / d

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the two running means is kept, each in [0, 1).
        eps: Added to the denominator, at least 0.
        weight_decay: L2 penalty, at least 0.
        momentum_decay: At least 0.
        decoupled_weight_decay: Whether the parameter is decayed as in `adamw` instead.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = nadam(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.8944])}
    """
    not_negative(eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
    betas_in_range(betas)

    def mu(hyper: Scalars, time: Tensor) -> Tensor:
        base = torch.full_like(time, 0.96)
        return hyper["beta1"] * (1.0 - 0.5 * torch.pow(base, time * hyper["momentum_decay"]))

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        now, following = mu(hyper, time), mu(hyper, time + 1)
        # torch keeps the product in float32, whatever the parameters are.
        product = (hyper["mu_product"].float() * now.float()).double()
        return _common(hyper, time) | {
            "mu_product": product,
            "of_grad": -hyper["lr"] * (1.0 - now) / (1.0 - product),
            "of_mean": -hyper["lr"] * following / (1.0 - product * following),
        }

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        if weight_decay and decoupled_weight_decay:
            param = param * h["shrink"]
        mean, square = _means(grad, m, h)
        root = (square / h["correction2"]).sqrt() + h["eps"]
        param = torch.addcdiv(param, grad * h["of_grad"], root)
        param = torch.addcdiv(param, mean * h["of_mean"], root)
        return param, {"exp_avg": mean, "exp_avg_sq": square}

    return leafwise(
        lr,
        leaf,
        hyper={
            "beta1": betas[0],
            "beta2": betas[1],
            "eps": eps,
            "momentum_decay": momentum_decay,
            "mu_product": 1.0,
            "decoupled_decay": weight_decay if decoupled_weight_decay else 0.0,
        },
        moments={"exp_avg": 0.0, "exp_avg_sq": 0.0},
        prepare=prepare,
        maximize=maximize,
        l2=0.0 if decoupled_weight_decay else weight_decay,
        options={"decoupled_weight_decay": decoupled_weight_decay},
    )


def radam(
    lr: float | Schedule = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Rule:
    """Rectified Adam (Liu et al., ICLR 2020), as `torch.optim.RAdam`.

        i = 2 / (1 - beta2) - 1          r = i - 2 * t * beta2**t / (1 - beta2**t)
        h = m / (1 - beta1**t)           m, v as in `adam`
        p = p - lr * h until r > 5; then p = p - lr * h * sqrt(1 - beta2**t) / (sqrt(v) + eps)
            * sqrt((r - 4) * (r - 2) * i / ((i - 4) * (i - 2) * r))

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the two running means is kept, each in [0, 1).
        eps: Added to the denominator, at least 0.
        weight_decay: L2 penalty, at least 0.
        decoupled_weight_decay: Whether the parameter is decayed as in `adamw` instead.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = radam(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.5000])}
    """
    not_negative(eps=eps, weight_decay=weight_decay)
    betas_in_range(betas)

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        common, beta2, half = _common(hyper, time), hyper["beta2"], torch.full_like(time, 0.5)
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * time * torch.pow(beta2, time) / common["correction2"]
        rectified = length > 5.0
        # Any length above 5 keeps the unused branch, and its gradient, free of NaN.
        safe = torch.where(rectified, length, torch.full_like(length, 6.0))
        ratio = (safe - 4) * (safe - 2) * limit / ((limit - 4) * (limit - 2) * safe)
        return common | {
            "correction1": 1 - torch.pow(hyper["beta1"], time),
            "rectified": rectified,
            "root2": torch.pow(common["correction2"], half),
            "rectifier": torch.pow(torch.where(rectified, ratio, torch.ones_like(ratio)), half),
        }

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        if weight_decay and decoupled_weight_decay:
            param = param * h["shrink"]
        mean, square = _means(grad, m, h)
        plain = mean / h["correction1"] * h["lr"]
        # A Python number over a tensor is its reciprocal times the number: it rounds twice.
        adaptive = (square.sqrt() + h["eps"]).reciprocal() * h["root2"]
        moved = torch.where(h["rectified"] != 0, plain * adaptive * h["rectifier"], plain)
        return param - moved, {"exp_avg": mean, "exp_avg_sq": square}

    return leafwise(
        lr,
        leaf,
        hyper={
            "beta1": betas[0],
            "beta2": betas[1],
            "eps": eps,
            "decoupled_decay": weight_decay if decoupled_weight_decay else 0.0,
        },
        moments={"exp_avg": 0.0, "exp_avg_sq": 0.0},
        prepare=prepare,
        maximize=maximize,
        l2=0.0 if decoupled_weight_decay else weight_decay,
        options={"decoupled_weight_decay": decoupled_weight_decay},
    )


def _common(hyper: Scalars, time: Tensor) -> Scalars:
    return {
        "rest1": 1 - hyper["beta1"],
        "rest2": 1 - hyper["beta2"],
        "correction2": 1 - torch.pow(hyper["beta2"], time),
        "shrink": 1 - hyper["lr"] * hyper["decoupled_decay"],
    }


def _means(grad: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Tensor]:
    mean = torch.lerp(m["exp_avg"], grad, h["rest1"])
    return mean, torch.addcmul(m["exp_avg_sq"] * h["beta2"], grad * h["rest2"], grad)
