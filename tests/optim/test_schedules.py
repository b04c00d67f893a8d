"""Schedules: against torch.optim.lr_scheduler, and their edges."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from artifact_fn.errors import OptimError
from artifact_fn.optim import (
    Schedule,
    constant,
    cosine,
    cyclic,
    exponential,
    join,
    linear,
    multistep,
    one_cycle,
    polynomial,
    scaled,
    step,
    warm_restarts,
    warmup,
)


def rates(schedule: Schedule, n: int) -> list[float]:
    values = [schedule(torch.tensor(i)) for i in range(n)]
    assert all(v.dtype == torch.float64 and v.shape == () for v in values)
    return [v.item() for v in values]


def theirs(make: Callable[[Any], Any], n: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = make(optimizer)
    found = []
    for _ in range(n):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("ours", "oracle", "n"),
    [
        (constant(0.3), lambda o: lr_scheduler.ConstantLR(o, factor=1.0), 5),
        (step(0.3, every=3, gamma=0.5), lambda o: lr_scheduler.StepLR(o, 3, gamma=0.5), 14),
        (
            cosine(0.3, steps=11, final=0.02),
            lambda o: lr_scheduler.CosineAnnealingLR(o, 11, eta_min=0.02),
            12,
        ),
        (
            warmup(0.3, steps=5, start=0.1),
            lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=5),
            9,
        ),
        (
            multistep(0.3, milestones=(2, 5, 6), gamma=0.5),
            lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 6], gamma=0.5),
            10,
        ),
        (exponential(0.3, gamma=0.8), lambda o: lr_scheduler.ExponentialLR(o, 0.8), 12),
        (
            polynomial(0.3, steps=7, power=1.7),
            lambda o: lr_scheduler.PolynomialLR(o, 7, power=1.7),
            11,
        ),
        (
            linear(0.3, final=0.06, steps=6),
            lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, total_iters=6),
            10,
        ),
        (
            warm_restarts(0.3, steps=5, final=0.02),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, eta_min=0.02),
            17,
        ),
        (
            join(constant(0.3), at=4, then=exponential(0.3, gamma=0.5)),
            lambda o: lr_scheduler.SequentialLR(
                o,
                [
                    lr_scheduler.ConstantLR(o, factor=1.0),
                    lr_scheduler.ExponentialLR(o, 0.5),
                ],
                milestones=[4],
            ),
            10,
        ),
    ],
    ids=[
        "constant",
        "step",
        "cosine",
        "warmup",
        "multistep",
        "exponential",
        "polynomial",
        "linear",
        "warm_restarts",
        "join",
    ],
)
def test_equal_to_torch(ours: Schedule, oracle: Any, n: int) -> None:
    assert rates(ours, n) == pytest.approx(theirs(oracle, n), rel=1e-12)


def quiet(make: Callable[..., Any], *args: Any, **options: Any) -> Callable[[Any], Any]:
    return lambda o: make(o, *args, cycle_momentum=False, **options)


LONG: dict[str, tuple[Schedule, Callable[[Any], Any]]] = {
    "lambda": (
        scaled(0.3, lambda s: torch.where(s < 7, 1 / (1 + s), 0.95**s)),
        lambda o: lr_scheduler.LambdaLR(o, lambda s: 1 / (1 + s) if s < 7 else 0.95**s),
    ),
    "restarts, twice as long": (
        warm_restarts(0.3, steps=3, times=2, final=0.01),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    ),
    "restarts, thrice as long": (
        warm_restarts(0.3, steps=1, times=3),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 1, T_mult=3),
    ),
    "one cycle": (
        one_cycle(0.3, steps=200),
        quiet(lr_scheduler.OneCycleLR, 0.3, total_steps=200),
    ),
    "one cycle, in lines": (
        one_cycle(0.3, steps=200, pct_start=0.37, anneal="linear", div_factor=7.0),
        quiet(
            lr_scheduler.OneCycleLR,
            0.3,
            total_steps=200,
            pct_start=0.37,
            anneal_strategy="linear",
            div_factor=7.0,
        ),
    ),
    "one cycle, of three phases": (
        one_cycle(0.3, steps=200, pct_start=0.21, final_div_factor=50.0, three_phase=True),
        quiet(
            lr_scheduler.OneCycleLR,
            0.3,
            total_steps=200,
            pct_start=0.21,
            final_div_factor=50.0,
            three_phase=True,
        ),
    ),
    "triangular": (
        cyclic(0.01, peak=0.3, up=7),
        quiet(lr_scheduler.CyclicLR, 0.01, 0.3, step_size_up=7),
    ),
    "triangular2, of uneven ways": (
        cyclic(0.01, peak=0.3, up=9, down=4, mode="triangular2"),
        quiet(
            lr_scheduler.CyclicLR, 0.01, 0.3, step_size_up=9, step_size_down=4, mode="triangular2"
        ),
    ),
    "exp_range": (
        cyclic(0.01, peak=0.3, up=9, mode="exp_range", gamma=0.99),
        quiet(lr_scheduler.CyclicLR, 0.01, 0.3, step_size_up=9, mode="exp_range", gamma=0.99),
    ),
}


@pytest.mark.parametrize(("ours", "oracle"), LONG.values(), ids=LONG.keys())
def test_equal_to_torch_over_a_whole_run(ours: Schedule, oracle: Any) -> None:
    assert rates(ours, 200) == pytest.approx(theirs(oracle, 200), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("ours", [ours for ours, _ in LONG.values()], ids=LONG.keys())
def test_schedules_map_over_steps(ours: Schedule) -> None:
    together = torch.vmap(ours)(torch.arange(30))
    assert together.tolist() == pytest.approx(rates(ours, 30), rel=1e-12)


def test_one_cycle_stays_at_its_end() -> None:
    ours = one_cycle(1.0, steps=10)
    assert rates(ours, 15)[9:] == [ours(torch.tensor(9)).item()] * 6


def test_cosine_stays_at_its_end() -> None:
    assert rates(cosine(1.0, steps=4, final=0.25), 9)[4:] == [0.25] * 5


def test_warmup_goes_over_into_what_follows() -> None:
    after = cosine(1.0, steps=10)
    assert rates(warmup(after, steps=3), 12)[3:] == rates(after, 9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant(-1.0), r"a learning rate is a number from 0; got -1.0"),
        (lambda: cosine(1.0, steps=0), r"steps counts steps; got 0; give a whole number"),
        (lambda: multistep(1.0, milestones=(0,)), r"a milestone counts steps; got 0"),
        (lambda: step(1.0, every=1.5), r"every counts steps; got 1.5"),  # type: ignore[arg-type]
        (
            lambda: one_cycle(1.0, steps=10, anneal="exp"),  # type: ignore[arg-type]
            r"annealed by a cosine or a line; got anneal='exp'; give 'cos' or 'linear'",
        ),
        (
            lambda: one_cycle(1.0, steps=10, div_factor=0.0),
            r"divided by positive numbers; got div_factor=0.0, final_div_factor=10000.0; give",
        ),
        (
            lambda: one_cycle(1.0, steps=10, pct_start=0.1),
            r"takes some of its steps; got steps=10, pct_start=0.1, .*; give more steps",
        ),
        (
            lambda: one_cycle(1.0, steps=10, pct_start=0.6, three_phase=True),
            r"takes some of its steps; got steps=10, pct_start=0.6, three_phase=True",
        ),
        (lambda: cyclic(-1.0, peak=1.0), r"a learning rate is a number from 0; got -1.0"),
        (lambda: cyclic(0.0, peak=1.0, up=0), r"up counts steps; got 0"),
        (lambda: cyclic(0.0, peak=1.0, down=0), r"down counts steps; got 0"),
        (
            lambda: cyclic(0.0, peak=1.0, mode="round"),  # type: ignore[arg-type]
            r"in one of three ways; got mode='round'; give one of triangular, ",
        ),
        (lambda: warm_restarts(1.0, steps=2, times=0), r"times counts steps; got 0"),
        (
            lambda: scaled(1.0, lambda s: 1.0 if s < 5 else 0.1),
            r"one formula for all steps; got a function that torch cannot .*; compute with",
        ),
        (
            lambda: scaled(1.0, lambda s: s.item()),
            r"one formula for all steps; got .* instead of if",
        ),
        (
            lambda: scaled(1.0, lambda s: torch.stack([s, s])),
            r"answers one number; got a tensor of shape \[2\]; answer",
        ),
        (lambda: warmup(1.0, steps=2, start=2.0), r"starts at a fraction of the rate; got start=2"),
    ],
)
def test_impossible_schedules_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()
