"""Rates: what a schedule is, and the numbers it is made from."""

import math
from collections.abc import Callable

from torch import Tensor

from artifact_fn.errors import OptimError

Schedule = Callable[[Tensor], Tensor]
"""The number of updates done before this one (int64 []) to a rate (float64 [])."""


def check_rate(value: float) -> None:
    """Refuse what is no learning rate.

    Raises:
        OptimError: it is no finite number of at least 0.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise OptimError(
            "a learning rate is a number from 0",
            got=repr(value),
            do="give a finite number of at least 0, or a schedule",
        )


def check_steps(name: str, value: int) -> None:
    """Refuse what counts no steps.

    Raises:
        OptimError: it is no whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptimError(
            f"{name} counts steps", got=repr(value), do="give a whole number of at least 1"
        )
