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
    exponential,
    join,
    linear,
    multistep,
    polynomial,
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
        (lambda: warmup(1.0, steps=2, start=2.0), r"starts at a fraction of the rate; got start=2"),
    ],
)
def test_impossible_schedules_are_refused(make: Any, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make()
