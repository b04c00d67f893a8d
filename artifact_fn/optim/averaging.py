"""Averaging: running means of the parameters, beside the parameters.

Training goes on with the parameters; whoever evaluates chooses whether to read the mean. Nothing
is swapped, so nothing can be forgotten to be swapped back.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import OptimError
from artifact_fn.optim.scalars import count_of
from artifact_fn.optim.schedules import check_steps
from artifact_fn.optim.transform import Grads, Params, Rule, check_rule_at_end

S = TypeVar("S")


@tree.node
class Averaged:
    """State of `ema` and `swa`.

    Attributes:
        inner: Of the optimizer that moves the parameters.
        count: int64 [], updates done.
        taken: int64 [], how many parameters the mean is of; 0 while it follows them.
        mean: By path, as the parameters.
    """

    inner: Any
    count: Tensor
    taken: Tensor
    mean: Params


def ema(optimizer: Rule, decay: float = 0.999) -> Rule:
    """An optimizer that keeps an exponential moving average of the parameters it makes.

        mean = p after the first update, decay * mean + (1 - decay) * p after every other

    As torch's `AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))`, updated every
    step (Polyak and Juditsky, 1992). Read it by `averaged`.

    Args:
        optimizer: A rule, or a chain that ends in one.
        decay: How much of the mean is kept, in [0, 1).

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> rule, params = ema(sgd(1.0), 0.5), {"w": torch.tensor([4.0])}
        >>> state, grads = rule.init(params), {"w": torch.tensor([2.0])}
        >>> for _ in range(2):
        ...     params, state = rule.update(grads, state, params)
        >>> params, state.mean
        ({'w': tensor([0.])}, {'w': tensor([1.])})
    """
    if not 0.0 <= decay < 1.0:
        raise OptimError(
            "a moving average keeps a part of itself", got=f"decay={decay}", do="give e.g. 0.999"
        )

    def weight(taken: Tensor) -> Tensor:
        return torch.where(taken == 0, 1.0, torch.full_like(taken, 1 - decay, dtype=torch.float64))

    return _averaging(optimizer, weight, lambda count: count >= 1)


def swa(optimizer: Rule, *, start: int = 0, every: int = 1) -> Rule:
    """An optimizer that keeps the plain mean of parameters along its way.

    Stochastic weight averaging (Izmailov et al., UAI 2018), as torch's `AveragedModel`. Read it
    by `averaged`; until the first parameters are taken it is the parameters themselves.

    Args:
        optimizer: A rule, or a chain that ends in one, usually of a constant or cyclic rate.
        start: Updates after which the first parameters are taken, at least 0.
        every: Take them after every so many updates, such as once an epoch.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> rule, params = swa(sgd(1.0), start=1), {"w": torch.tensor([4.0])}
        >>> state, grads = rule.init(params), {"w": torch.tensor([1.0])}
        >>> for _ in range(3):
        ...     params, state = rule.update(grads, state, params)
        >>> params, state.mean
        ({'w': tensor([1.])}, {'w': tensor([1.5000])})
    """
    check_steps("every", every)
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise OptimError("start counts updates", got=f"start={start!r}", do="give 0 or more")

    def weight(taken: Tensor) -> Tensor:
        return 1 / (taken + 1).to(torch.float64)

    def due(count: Tensor) -> Tensor:
        return (count > start) & ((count - start) % every == 0)

    return _averaging(optimizer, weight, due)


def averaged(state: S) -> S:
    """A training state with the means in place of the parameters, to evaluate or to keep.

    `evaluation("val", objective, val, of=averaged)`. Buffers are as they were: a BatchNorm's
    statistics are those of the parameters and not of the mean.

    Raises:
        OptimError: its optimizer keeps no mean, or two keep one of the same parameter.

    Example:
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import TrainState, functional
        >>> model = functional(lambda: torch.nn.Linear(2, 1))
        >>> state = TrainState.create(model, ema(sgd(0.1)), seed=0)
        >>> list(averaged(state).params)
        ['weight', 'bias']
    """
    training: Any = state
    found = tree.records(training.opt_state, Averaged)
    if not found:
        raise OptimError(
            "an average is read where one is kept",
            got="a state whose optimizer keeps none",
            do="train with optim.ema(...) or optim.swa(...) around the optimizer",
        )
    params = dict(training.params)
    seen: set[str] = set()
    for part in found:
        twice = seen & part.mean.keys()
        if twice:
            raise OptimError(
                "a parameter has one average",
                got=f"two of {sorted(twice)[0]}",
                do="average in one of the optimizers only",
            )
        seen |= part.mean.keys()
        params |= part.mean
    replaced: S = tree.replace(training, params=params)
    return replaced


def _averaging(
    optimizer: Rule, weight: Callable[[Tensor], Tensor], due: Callable[[Tensor], Tensor]
) -> Rule:
    check_rule_at_end(optimizer)

    def init(params: Params) -> Averaged:
        zero = count_of(params)
        mean = {path: param.clone() for path, param in params.items()}
        return Averaged(optimizer.init(params), zero, zero.clone(), mean)

    def update(grads: Grads, state: Averaged, params: Params) -> tuple[Params, Averaged]:
        moved, inner = optimizer.update(grads, state.inner, params)
        count = state.count + 1
        take = due(count)
        share = torch.where(take | (state.taken == 0), weight(state.taken), 0.0)

        def mixed(mean: Tensor, param: Tensor) -> Tensor:
            part = torch.lerp(mean, param, share.to(mean.dtype))
            # A mean that is left alone must stay finite when the parameters are not.
            return torch.where(share == 1, param, torch.where(share == 0, mean, part))

        mean = {path: mixed(state.mean[path], param) for path, param in moved.items()}
        return moved, Averaged(inner, count, state.taken + take, mean)

    return Rule(
        init,
        update,
        lambda state: optimizer.report(state.inner),
        optimizer.elementwise,
        optimizer.options,
    )
