"""Statistics: the eight descriptive statistics of samples."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from artifact_fn.validation.artifacts import chosen

Statistic = Literal["MEAN", "STD", "VARIANCE", "MEDIAN", "Q1", "Q3", "MIN", "MAX"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)


def statistic(samples: NDArray[np.float64], stat: Statistic) -> NDArray[np.float64]:
    """One statistic of each column.

    Spread is of a sample (divided by N - 1), quartiles are interpolated linearly.

    Args:
        samples: [N] or [N, C].
        stat: Which.

    Returns:
        [] or [C]; NaN where it is undefined: of no rows, the spread of one row.

    Raises:
        ValidationError: there is no such statistic.

    Example:
        >>> float(statistic(np.array([1.0, 2.0, 3.0, 4.0]), "VARIANCE"))
        1.6666666666666667
    """
    chosen("stat", stat, Statistic)
    rows = len(samples)
    if rows == 0 or (rows == 1 and stat in ("STD", "VARIANCE")):
        return np.full(samples.shape[1:], np.nan)
    match stat:
        case "MEAN":
            answer = samples.mean(axis=0)
        case "STD":
            answer = samples.std(axis=0, ddof=1)
        case "VARIANCE":
            answer = samples.var(axis=0, ddof=1)
        case "MIN":
            answer = samples.min(axis=0)
        case "MAX":
            answer = samples.max(axis=0)
        case "MEDIAN" | "Q1" | "Q3":
            at = {"MEDIAN": 0.5, "Q1": 0.25, "Q3": 0.75}[stat]
            answer = np.quantile(samples, at, axis=0)
    return np.asarray(answer)
