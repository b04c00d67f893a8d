"""Rules of everyday: sgd, adam and adamw, equal to torch.optim's single-tensor loops bit for bit.

The order of operations is torch's, which is why some of them look roundabout: `a + b * c` and
`addcmul(a, b, c)` round differently. Hyperparameters are float64 scalars in the state, so they
can be read, scheduled, vmapped and replaced without a second compile; they are cast to a
parameter's dtype where torch casts its Python floats.
"""

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.leafwise import Scalars, leafwise
from artifact_fn.optim.scalars import betas_in_range, not_negative
from artifact_fn.optim.schedules import Schedule
from artifact_fn.optim.transform import Rule

Moments = dict[str, Tensor]


def sgd(
    lr: float | Schedule = 1e-3,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> Rule:
    """Stochastic gradient descent, as `torch.optim.SGD`.

        g = grad + weight_decay * p
        b = g at the first update, momentum * b + (1 - dampening) * g after it
        p = p - lr * (g + momentum * b if nesterov else b)

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        momentum: Of the running sum of gradients (Sutskever et al., ICML 2013); 0 keeps none.
        dampening: Of the gradient as it enters that sum.
        weight_decay: L2 penalty.
        nesterov: Whether to look ahead; needs momentum and no dampening.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = sgd(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([1.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    not_negative(momentum=momentum, weight_decay=weight_decay)
    if nesterov and (momentum <= 0 or dampening != 0):
        raise OptimError(
            "Nesterov's method needs momentum and no dampening",
            got=f"momentum={momentum}, dampening={dampening}",
            do="give momentum above 0 and dampening 0",
        )

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        return {"minus_lr": -hyper["lr"], "rest": 1 - hyper["dampening"], "time": time}

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        if not momentum:
            return torch.addcmul(param, grad, h["minus_lr"]), {}
        summed = torch.addcmul(m["momentum_buffer"] * h["momentum"], grad, h["rest"])
        buffer = torch.where(h["time"] == 1, grad, summed)
        ahead = torch.addcmul(grad, buffer, h["momentum"]) if nesterov else buffer
        return torch.addcmul(param, ahead, h["minus_lr"]), {"momentum_buffer": buffer}

    return leafwise(
        lr,
        leaf,
        hyper={"momentum": momentum, "dampening": dampening},
        moments={"momentum_buffer": 0.0} if momentum else {},
        prepare=prepare,
        maximize=maximize,
        l2=weight_decay,
        options={"nesterov": nesterov},
    )


def adam(
    lr: float | Schedule = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
) -> Rule:
    """Adam (Kingma and Ba, ICLR 2015), as `torch.optim.Adam`; `weight_decay` is an L2 penalty.

        m = beta1 * m + (1 - beta1) * g          v = beta2 * v + (1 - beta2) * g**2
        p = p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the two running means is kept, each in [0, 1).
        eps: Added to the denominator, at least 0.
        weight_decay: At least 0; added to the gradient, times the parameter.
        amsgrad: Whether to divide by the largest v so far (Reddi et al., ICLR 2018).
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adam(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    return _adam(lr, betas, eps, weight_decay, amsgrad=amsgrad, maximize=maximize, decoupled=False)


def adamw(
    lr: float | Schedule = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    amsgrad: bool = False,
    maximize: bool = False,
) -> Rule:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), as `torch.optim.AdamW`.

    As `adam`, but p is first multiplied by 1 - lr * weight_decay and the gradient left alone.

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the two running means is kept, each in [0, 1).
        eps: Added to the denominator, at least 0.
        weight_decay: At least 0.
        amsgrad: Whether to divide by the largest v so far.
        maximize: Whether to climb.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adamw(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([0.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9990])}
    """
    return _adam(lr, betas, eps, weight_decay, amsgrad=amsgrad, maximize=maximize, decoupled=True)


def _adam(
    lr: float | Schedule,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    *,
    amsgrad: bool,
    maximize: bool,
    decoupled: bool,
) -> Rule:
    not_negative(eps=eps, weight_decay=weight_decay)
    betas_in_range(betas)

    def prepare(hyper: Scalars, time: Tensor) -> Scalars:
        rate, beta1, beta2 = hyper["lr"], hyper["beta1"], hyper["beta2"]
        return {
            "rest1": 1 - beta1,
            "rest2": 1 - beta2,
            "minus_step": -(rate / (1 - torch.pow(beta1, time))),
            # Not sqrt: torch takes the root as Python's `** 0.5`, and the two round differently.
            "correction": torch.pow(1 - torch.pow(beta2, time), torch.full_like(time, 0.5)),
            "shrink": 1 - rate * hyper["weight_decay"],
        }

    def leaf(grad: Tensor, param: Tensor, m: Moments, h: Scalars) -> tuple[Tensor, Moments]:
        if weight_decay and decoupled:
            param = param * h["shrink"]
        mean = torch.lerp(m["exp_avg"], grad, h["rest1"])
        square = torch.addcmul(m["exp_avg_sq"] * h["beta2"], grad * h["rest2"], grad)
        after, under = {"exp_avg": mean, "exp_avg_sq": square}, square
        if amsgrad:
            under = after["max_exp_avg_sq"] = torch.maximum(m["max_exp_avg_sq"], square)
        denominator = under.sqrt() / h["correction"] + h["eps"]
        return torch.addcdiv(param, mean * h["minus_step"], denominator), after

    return leafwise(
        lr,
        leaf,
        hyper={"beta1": betas[0], "beta2": betas[1], "eps": eps, "weight_decay": weight_decay},
        moments={"exp_avg": 0.0, "exp_avg_sq": 0.0} | ({"max_exp_avg_sq": 0.0} if amsgrad else {}),
        prepare=prepare,
        maximize=maximize,
        l2=0.0 if decoupled else weight_decay,
        options={"amsgrad": amsgrad, "decoupled_weight_decay": decoupled},
    )
