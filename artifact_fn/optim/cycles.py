"""Cycles: schedules that rise and fall, once or again and again."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.schedules import Schedule, check_rate, check_steps, cosine


def one_cycle(
    value: float,
    *,
    steps: int,
    pct_start: float = 0.3,
    anneal: Literal["cos", "linear"] = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:
    """Up to `value`, then down to almost nothing, as torch's OneCycleLR.

    Smith and Topin, arXiv 1708.07120. Only the rate is cycled: torch's `cycle_momentum` is
    `scheduled(rule, momentum=...)`. Where torch raises, after `steps`, the last rate stays.

    Args:
        value: The peak.
        steps: Of the whole cycle, at least 2.
        pct_start: Fraction of the steps spent on the way up; more than one step, less than all
            (with three phases, than half) of them.
        anneal: The shape of the ways, half a cosine or a line.
        div_factor: Peak over first rate, positive.
        final_div_factor: First rate over last rate, positive.
        three_phase: Whether the way down to the first rate mirrors the way up, and a third one
            leads to the last rate; else one way leads down from the peak.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rates = one_cycle(1.0, steps=9, pct_start=0.5, anneal="linear", div_factor=2.0)
        >>> [round(rates(torch.tensor(i)).item(), 3) for i in range(10)]
        [0.5, 0.643, 0.786, 0.929, 0.889, 0.667, 0.444, 0.222, 0.0, 0.0]
    """
    check_rate(value)
    check_steps("steps", steps)
    if anneal not in ("cos", "linear"):
        raise OptimError(
            "a cycle is annealed by a cosine or a line",
            got=f"anneal={anneal!r}",
            do="give 'cos' or 'linear'",
        )
    if not (div_factor > 0 and final_div_factor > 0):
        raise OptimError(
            "rates are divided by positive numbers",
            got=f"div_factor={div_factor}, final_div_factor={final_div_factor}",
            do="give e.g. 25 and 1e4",
        )
    first = value / div_factor
    ends = [float(pct_start * steps) - 1]
    rates = [first, value, first / final_div_factor]
    if three_phase:
        ends.append(float(2 * pct_start * steps) - 2)
        rates.insert(2, first)
    ends.append(steps - 1.0)
    starts = [0.0, *ends[:-1]]
    if not all(start < end for start, end in zip(starts, ends, strict=True)):
        raise OptimError(
            "each way of a cycle takes some of its steps",
            got=f"steps={steps}, pct_start={pct_start}, three_phase={three_phase}",
            do="give more steps, or a pct_start further from 0 and 1 (0 and 0.5 for three phases)",
        )

    def way(part: Tensor, begin: float, end: float) -> Tensor:
        if anneal == "linear":
            return (end - begin) * part + begin
        return end + (begin - end) / 2.0 * (torch.cos(math.pi * part) + 1)

    def schedule(step: Tensor) -> Tensor:
        at = step.to(torch.float64).clamp(max=steps - 1)
        ways = [
            way((at - start) / (end - start), rates[i], rates[i + 1])
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]
        rate = ways[-1]
        for end, earlier in zip(reversed(ends[:-1]), reversed(ways[:-1]), strict=True):
            rate = torch.where(at <= end, earlier, rate)
        return rate

    return schedule


def cyclic(
    value: float,
    *,
    peak: float,
    up: int = 2000,
    down: int | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: float = 1.0,
) -> Schedule:
    """From `value` to `peak` and back, again and again, as torch's CyclicLR.

    Smith, arXiv 1506.01186. Only the rate is cycled, as in `one_cycle`.

    Args:
        value: The lower rate.
        peak: The upper rate of the first cycle.
        up: Steps on the way up.
        down: Steps on the way down; as `up` by default.
        mode: "triangular" keeps the height, "triangular2" halves it every cycle, "exp_range"
            multiplies it by `gamma` every step.
        gamma: For "exp_range".

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rates = cyclic(0.0, peak=1.0, up=2, mode="triangular2")
        >>> [rates(torch.tensor(i)).item() for i in range(8)]
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25]
    """
    check_rate(value)
    check_rate(peak)
    check_steps("up", up)
    check_steps("down", up if down is None else down)
    scales: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "triangular": lambda cycle, step: torch.ones_like(cycle),
        "triangular2": lambda cycle, step: 1 / torch.pow(torch.full_like(cycle, 2.0), cycle - 1),
        "exp_range": lambda cycle, step: torch.pow(torch.full_like(step, gamma), step),
    }
    if mode not in scales:
        raise OptimError(
            "cycles change their height in one of three ways",
            got=f"mode={mode!r}",
            do=f"give one of {', '.join(scales)}",
        )
    total = float(up + (up if down is None else down))
    ratio = up / total

    def schedule(step: Tensor) -> Tensor:
        at = step.to(torch.float64)
        cycle = torch.floor(1 + at / total)
        x = 1.0 + at / total - cycle
        height = torch.where(x <= ratio, x / ratio, (x - 1) / (ratio - 1))
        return value + (peak - value) * height * scales[mode](cycle, at)

    return schedule


def warm_restarts(value: float, *, steps: int, times: int = 1, final: float = 0.0) -> Schedule:
    """Half a cosine from `value` towards `final`, again and again (SGDR, ICLR 2017).

    As torch's CosineAnnealingWarmRestarts; `times` is its `T_mult`.

    Args:
        value: The rate after every restart.
        steps: Until the first restart.
        times: How much longer each round is than the one before it.
        final: What each round falls to.

    Raises:
        OptimError: an argument is out of range.

    Example:
        >>> rates = warm_restarts(1.0, steps=2, times=2)
        >>> [round(rates(torch.tensor(i)).item(), 4) for i in range(7)]
        [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    """
    once = cosine(value, steps=steps, final=final)
    check_steps("times", times)
    if times == 1:
        return lambda step: once(step % steps)
    # Whole numbers, so that no logarithm decides by its rounding when a round begins.
    starts = [0]
    while starts[-1] < 2**60 // times:
        starts.append(starts[-1] * times + steps)

    def schedule(step: Tensor) -> Tensor:
        begun = torch.tensor(starts, device=step.device)
        start = torch.where(begun <= step, begun, 0).amax()
        length = start * (times - 1) + steps
        done = (step - start).to(torch.float64) / length
        return final + (value - final) * (1.0 + torch.cos(math.pi * done)) / 2.0

    return schedule
