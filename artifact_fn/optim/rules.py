"""Rules: sgd, adam and adamw, equal to torch.optim's single-tensor loops bit for bit.

The order of operations is torch's, which is why some of them look roundabout: `a + b * c` and
`addcmul(a, b, c)` round differently. Hyperparameters are float64 scalars in the state, so they
can be read, scheduled, vmapped and replaced without a second compile; they are cast to a
parameter's dtype where torch casts its Python floats.
"""

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim.scalars import (
    caster,
    count_of,
    not_negative,
    report_lr,
    scalars,
    scheduled,
    zeros,
)
from artifact_fn.optim.schedules import Schedule, schedule_of
from artifact_fn.optim.transform import Grads, Params, Rule


@tree.node
class SgdState:
    """State of `sgd`.

    Attributes:
        count: int64 [], updates done.
        hyper: float64 [] each; `lr` is the rate of the last update.
        momentum: By path, as the parameters; empty without momentum.
    """

    count: Tensor
    hyper: dict[str, Tensor]
    momentum: dict[str, Tensor]


def sgd(
    lr: float | Schedule = 1e-3,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
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

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = sgd(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([1.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    schedule = schedule_of(lr)
    not_negative(momentum=momentum, weight_decay=weight_decay)
    if nesterov and (momentum <= 0 or dampening != 0):
        raise OptimError(
            "Nesterov's method needs momentum and no dampening",
            got=f"momentum={momentum}, dampening={dampening}",
            do="give momentum above 0 and dampening 0",
        )

    def init(params: Params) -> SgdState:
        count = count_of(params)
        return SgdState(
            count,
            scalars(
                schedule, count, momentum=momentum, dampening=dampening, weight_decay=weight_decay
            ),
            zeros(params) if momentum else {},
        )

    def update(grads: Grads, state: SgdState, params: Params) -> tuple[Params, SgdState]:
        hyper = scheduled(state.hyper, lr, schedule, state.count)
        new_params: Params = {}
        buffers: Params = {}
        for name, param in params.items():
            cast, grad = caster(param), grads[name]
            if weight_decay:
                grad = torch.addcmul(grad, param, cast(hyper["weight_decay"]))
            if momentum:
                kept = cast(hyper["momentum"])
                summed = torch.addcmul(
                    state.momentum[name] * kept, grad, cast(1 - hyper["dampening"])
                )
                buffers[name] = torch.where(state.count == 0, grad, summed)
                grad = torch.addcmul(grad, buffers[name], kept) if nesterov else buffers[name]
            new_params[name] = torch.addcmul(param, grad, cast(-hyper["lr"]))
        return new_params, SgdState(state.count + 1, hyper, buffers)

    return Rule(init, update, report_lr)


@tree.node
class AdamState:
    """State of `adam` and `adamw`.

    Attributes:
        count: int64 [], updates done.
        hyper: float64 [] each; `lr` is the rate of the last update.
        exp_avg: By path, as the parameters: the running mean of gradients.
        exp_avg_sq: By path, as the parameters: the running mean of their squares.
    """

    count: Tensor
    hyper: dict[str, Tensor]
    exp_avg: dict[str, Tensor]
    exp_avg_sq: dict[str, Tensor]


def adam(
    lr: float | Schedule = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Rule:
    """Adam (Kingma and Ba, ICLR 2015), as `torch.optim.Adam`; `weight_decay` is an L2 penalty.

        m = beta1 * m + (1 - beta1) * g          v = beta2 * v + (1 - beta2) * g**2
        p = p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the two running means is kept, each in [0, 1).
        eps: Added to the denominator, at least 0.
        weight_decay: At least 0; added to the gradient, times the parameter.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adam(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([5.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9000])}
    """
    return _adam(lr, betas, eps, weight_decay, decoupled=False)


def adamw(
    lr: float | Schedule = 1e-3,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> Rule:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), as `torch.optim.AdamW`.

    As `adam`, but p is first multiplied by 1 - lr * weight_decay and the gradient left alone.

    Args:
        lr: Learning rate, at least 0, or a schedule of it.
        betas: How much of the two running means is kept, each in [0, 1).
        eps: Added to the denominator, at least 0.
        weight_decay: At least 0.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rule = adamw(0.1)
        >>> params = {"w": torch.tensor([1.0])}
        >>> rule.update({"w": torch.tensor([0.0])}, rule.init(params), params)[0]
        {'w': tensor([0.9990])}
    """
    return _adam(lr, betas, eps, weight_decay, decoupled=True)


def _adam(
    lr: float | Schedule,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    *,
    decoupled: bool,
) -> Rule:
    schedule = schedule_of(lr)
    not_negative(eps=eps, weight_decay=weight_decay)
    if not all(0.0 <= beta < 1.0 for beta in betas):
        raise OptimError(
            "each beta lies in [0, 1)", got=f"betas={betas}", do="give e.g. 0.9, 0.999"
        )

    def init(params: Params) -> AdamState:
        count = count_of(params)
        hyper = scalars(
            schedule, count, beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay
        )
        return AdamState(count, hyper, zeros(params), zeros(params))

    def update(grads: Grads, state: AdamState, params: Params) -> tuple[Params, AdamState]:
        hyper = scheduled(state.hyper, lr, schedule, state.count)
        rate, beta1, beta2 = hyper["lr"], hyper["beta1"], hyper["beta2"]
        count = state.count + 1
        time = count.to(torch.float64)
        minus_step = -(rate / (1 - torch.pow(beta1, time)))
        # Not sqrt: torch takes the root as Python's `** 0.5`, and the two round differently.
        correction = torch.pow(1 - torch.pow(beta2, time), torch.full_like(time, 0.5))
        new_params: Params = {}
        means: Params = {}
        squares: Params = {}
        for name, param in params.items():
            cast, grad = caster(param), grads[name]
            if weight_decay and decoupled:
                param = param * cast(1 - rate * hyper["weight_decay"])
            elif weight_decay:
                grad = torch.addcmul(grad, param, cast(hyper["weight_decay"]))
            mean = torch.lerp(state.exp_avg[name], grad, cast(1 - beta1))
            square = torch.addcmul(
                state.exp_avg_sq[name] * cast(beta2), grad * cast(1 - beta2), grad
            )
            denominator = square.sqrt() / cast(correction) + cast(hyper["eps"])
            new_params[name] = torch.addcdiv(param, mean * cast(minus_step), denominator)
            means[name], squares[name] = mean, square
        return new_params, AdamState(count, hyper, means, squares)

    return Rule(init, update, report_lr)
