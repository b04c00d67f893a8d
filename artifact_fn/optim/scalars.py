"""Scalars: counters and hyperparameters as tensors of a rule's state.

A Python number would be frozen into the compiled step, or compiled anew when it changed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from artifact_fn.errors import OptimError
from artifact_fn.optim.schedules import Schedule, schedule_of
from artifact_fn.optim.transform import Params, Report


def count_of(params: Params) -> Tensor:
    """Updates done before the first: int64 [], where the parameters are."""
    device = next(iter(params.values())).device if params else None
    return torch.zeros((), dtype=torch.int64, device=device)


def scalars(lr: float | Schedule, count: Tensor, **values: float) -> dict[str, Tensor]:
    """Hyperparameters as float64 [] by name; `lr` from its schedule.

    Where a schedule sets the rate anew for each update, `lr_scale` is what a control of the run
    changes instead.
    """
    fixed = values | ({"lr_scale": 1.0} if callable(lr) else {})
    told = {
        name: torch.full((), value, dtype=torch.float64, device=count.device)
        for name, value in fixed.items()
    }
    return {"lr": schedule_of(lr)(count), **told}


def hyper_now(hyper: dict[str, Tensor], lr: float | Schedule, count: Tensor) -> dict[str, Tensor]:
    """The hyperparameters of this update: a plain rate stays what the state says it is."""
    return {**hyper, "lr": lr(count) * hyper["lr_scale"]} if callable(lr) else hyper


def zeros(params: Params) -> Params:
    """One zero for each parameter."""
    return {name: torch.zeros_like(param) for name, param in params.items()}


def caster(param: Tensor) -> Callable[[Tensor], Tensor]:
    """A scalar in a parameter's dtype; a float64 [] would promote a parameter of shape []."""
    return lambda scalar: scalar.to(param.dtype)


def report_lr(state: Any) -> Report:
    """The learning rate of the last update."""
    return {"lr": state.hyper["lr"]}


def not_negative(**values: float) -> None:
    """Refuse hyperparameters below 0, or NaN."""
    for name, value in values.items():
        if not value >= 0:
            raise OptimError(
                f"{name} is not negative", got=f"{name}={value}", do="give 0 or a positive number"
            )


def betas_in_range(betas: tuple[float, float]) -> None:
    """Refuse fractions of running means outside [0, 1)."""
    if not all(0.0 <= beta < 1.0 for beta in betas):
        raise OptimError(
            "each beta lies in [0, 1)", got=f"betas={betas}", do="give e.g. 0.9, 0.999"
        )
