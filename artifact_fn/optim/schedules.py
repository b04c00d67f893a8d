"""Schedules: a learning rate as a pure function of the step."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.rates import Schedule as Schedule
from artifact_fn.optim.rates import check_rate as check_rate
from artifact_fn.optim.rates import check_steps as check_steps


def constant(value: float) -> Schedule:
    """Always `value`.

    Example:
        >>> constant(0.1)(torch.tensor(5)).item()
        0.1
    """
    check_rate(value)
    return lambda step: torch.full((), value, dtype=torch.float64, device=step.device)


def stepwise(value: float, *, every: int, gamma: float = 0.1) -> Schedule:
    """`value * gamma ** (step // every)`, as torch's StepLR.

    Example:
        >>> [stepwise(1.0, every=2, gamma=0.5)(torch.tensor(i)).item() for i in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    check_rate(value)
    check_steps("every", every)

    def schedule(step: Tensor) -> Tensor:
        times = torch.div(step, every, rounding_mode="floor").to(torch.float64)
        return value * torch.pow(torch.full_like(times, gamma), times)

    return schedule


def cosine(value: float, *, steps: int, final: float = 0.0) -> Schedule:
    """Half a cosine from `value` at step 0 to `final` at `steps` and after.

    The closed form of torch's CosineAnnealingLR up to `steps` (Loshchilov and Hutter, SGDR,
    ICLR 2017, without restarts).

    Example:
        >>> [round(cosine(1.0, steps=4)(torch.tensor(i)).item(), 4) for i in (0, 2, 4, 9)]
        [1.0, 0.5, 0.0, 0.0]
    """
    check_rate(value)
    check_rate(final)
    check_steps("steps", steps)

    def schedule(step: Tensor) -> Tensor:
        done = step.to(torch.float64).clamp(max=steps) / steps
        return final + (value - final) * (1.0 + torch.cos(math.pi * done)) / 2.0

    return schedule


def multistep(value: float, *, milestones: tuple[int, ...], gamma: float = 0.1) -> Schedule:
    """`value` times gamma for every milestone reached, as torch's MultiStepLR.

    Args:
        value: The rate at first.
        milestones: Updates done at which it changes.
        gamma: By what it is multiplied there.

    Example:
        >>> [multistep(1.0, milestones=(1, 3), gamma=0.5)(torch.tensor(i)).item() for i in range(4)]
        [1.0, 0.5, 0.5, 0.25]
    """
    check_rate(value)
    for milestone in milestones:
        check_steps("a milestone", milestone)

    def schedule(step: Tensor) -> Tensor:
        reached = torch.zeros((), dtype=torch.float64, device=step.device)
        for milestone in milestones:
            reached = reached + (step >= milestone)
        return value * torch.pow(torch.full_like(reached, gamma), reached)

    return schedule


def exponential(value: float, *, gamma: float) -> Schedule:
    """`value * gamma ** step`, as torch's ExponentialLR.

    Example:
        >>> [exponential(1.0, gamma=0.5)(torch.tensor(i)).item() for i in range(3)]
        [1.0, 0.5, 0.25]
    """
    return stepwise(value, every=1, gamma=gamma)


def polynomial(value: float, *, steps: int, power: float = 1.0) -> Schedule:
    """`value * (1 - step / steps) ** power`, then 0, as torch's PolynomialLR.

    Example:
        >>> [polynomial(1.0, steps=2, power=2)(torch.tensor(i)).item() for i in range(4)]
        [1.0, 0.25, 0.0, 0.0]
    """
    check_rate(value)
    check_steps("steps", steps)

    def schedule(step: Tensor) -> Tensor:
        left = 1.0 - step.to(torch.float64).clamp(max=steps) / steps
        return value * torch.pow(left, torch.full_like(left, power))

    return schedule


def linear(value: float, *, final: float, steps: int) -> Schedule:
    """A line from `value` at step 0 to `final` at `steps` and after, as torch's LinearLR.

    Example:
        >>> [linear(1.0, final=0.5, steps=2)(torch.tensor(i)).item() for i in range(4)]
        [1.0, 0.75, 0.5, 0.5]
    """
    check_rate(value)
    check_rate(final)
    check_steps("steps", steps)
    return lambda step: value + (final - value) * step.to(torch.float64).clamp(max=steps) / steps


def join(first: Schedule, *, at: int, then: Schedule) -> Schedule:
    """One schedule before step `at`, another from there, which begins at its own step 0.

    As torch's SequentialLR; joins of joins make longer rows.

    Args:
        first: Asked for updates below `at`.
        at: Updates done when the other takes over, at least 1.
        then: Asked from there on, for updates counted from 0 again.

    Example:
        >>> rates = join(constant(1.0), at=2, then=linear(0.5, final=0.0, steps=2))
        >>> [rates(torch.tensor(i)).item() for i in range(5)]
        [1.0, 1.0, 0.5, 0.25, 0.0]
    """
    check_steps("at", at)
    return lambda step: torch.where(step < at, first(step), then((step - at).clamp(min=0)))


def warmup(after: float | Schedule, *, steps: int, start: float = 0.0) -> Schedule:
    """Linear from `start` times the first value of `after`, over `steps`; then `after` itself.

    Args:
        after: A rate or a schedule, which begins when the warm-up is over.
        steps: How long the warm-up takes.
        start: Fraction of the rate at step 0, in [0, 1].

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> [warmup(1.0, steps=4)(torch.tensor(i)).item() for i in range(6)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    check_steps("steps", steps)
    if not 0.0 <= start <= 1.0:
        raise OptimError(
            "a warm-up starts at a fraction of the rate", got=f"start={start}", do="give 0 to 1"
        )
    main = schedule_of(after)

    def schedule(step: Tensor) -> Tensor:
        risen = start + (1.0 - start) * (step.to(torch.float64) / steps).clamp(max=1.0)
        return risen * main((step - steps).clamp(min=0))

    return schedule


def scaled(rate: float | Schedule, by: Callable[[Tensor], Tensor | float]) -> Schedule:
    """A rate times any pure function of the step, as torch's LambdaLR.

    Args:
        rate: A rate or a schedule.
        by: The step (float64 []) to a factor, [] or a number. It may compute with the step and
            choose by `torch.where`, but must not read its value (`if step > 5`, `int(step)`):
            the compiled step has one program for all steps.

    Raises:
        OptimError: `by` reads the step's value, or answers something else than one number.

    Example:
        >>> rates = scaled(1.0, lambda step: 0.5 ** step)
        >>> [rates(torch.tensor(i)).item() for i in range(3)]
        [1.0, 0.5, 0.25]
    """
    main = schedule_of(rate)

    def schedule(step: Tensor) -> Tensor:
        factor = by(step.to(torch.float64))
        if not isinstance(factor, Tensor):
            factor = torch.full((), factor, dtype=torch.float64, device=step.device)
        return main(step) * factor.to(torch.float64)

    try:
        # Under vmap a step has no value to read, as in a compiled program.
        shape = list(torch.vmap(schedule)(torch.arange(2)).shape)
    except RuntimeError as cause:
        if "vmap" not in str(cause):
            raise
        raise OptimError(
            "a schedule is one formula for all steps",
            got=f"a function that torch cannot map over them ({str(cause).splitlines()[0]})",
            do="compute with the step, and choose by torch.where instead of if",
        ) from cause
    if shape != [2]:
        raise OptimError(
            "a schedule answers one number",
            got=f"a tensor of shape {shape[1:]}",
            do="answer a tensor of shape [], or a number",
        )
    return schedule


def schedule_of(rate: float | Schedule) -> Schedule:
    """A schedule from what a rule takes as its learning rate.

    Raises:
        OptimError: it is no rate, or a function that answers no tensor [].
    """
    if not callable(rate):
        return constant(rate)
    first = rate(torch.zeros((), dtype=torch.int64))
    if not isinstance(first, Tensor) or first.ndim or not first.is_floating_point():
        raise OptimError(
            "a schedule answers a rate, a floating-point tensor []",
            got=f"a {first.dtype} {list(first.shape)}"
            if isinstance(first, Tensor)
            else f"{first!r}",
            do="write scaled(rate, lambda step: ...), which takes plain numbers too, or the rate alone",
        )
    return rate
