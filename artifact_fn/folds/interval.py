"""Interval: the mean of a few numbers, and how well they tell it.

Student's t interval: with m numbers of mean x and deviation s, x +- t * s / sqrt(m), where t is the
quantile of the t distribution with m - 1 degrees of freedom (Student, Biometrika 1908).
"""

import math
from collections.abc import Sequence

import attrs
import pandas as pd

from artifact_fn.errors import FoldError
from artifact_fn.folds.members import columns_of


@attrs.frozen
class Interval:
    """A mean and its confidence interval.

    Attributes:
        mean: Of the numbers; NaN of none.
        low: Lower end; NaN of fewer than two numbers.
        high: Upper end.
        count: How many numbers there were.

    Example:
        >>> print(Interval(mean=0.5, low=0.25, high=0.75, count=3))
        0.5000 [0.2500, 0.7500]
    """

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of independent numbers, with its interval; NaN among them is left out.

    Args:
        values: E.g. one score of each member.
        confidence: How often such an interval holds the true mean, in (0, 1).

    Raises:
        FoldError: `confidence` is out of range.

    Example:
        >>> print(interval([0.9, 0.92, 0.94]))
        0.9200 [0.8703, 0.9697]
    """
    _check(confidence)
    known = [value for value in values if not math.isnan(value)]
    count = len(known)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(known) / count
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1)
    variance = math.fsum((value - mean) ** 2 for value in known) / (count - 1)
    half = quantile((1 + confidence) / 2, count - 1) * math.sqrt(variance / count)
    return Interval(mean, mean - half, mean + half, count)


def band(
    history: pd.DataFrame,
    score: str,
    members: Sequence[int] | None = None,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The mean of a score over members, epoch by epoch, with its interval.

    Args:
        history: Of an ensemble.
        score: Without a number, e.g. `"val/loss"`.
        members: Which; None for all.
        confidence: As in `interval`.

    Returns:
        float64 columns `mean`, `low` and `high` by epoch; NaN where no member has the score.

    Raises:
        FoldError: the history holds no such score, or `confidence` is out of range.

    Example:
        >>> frame = pd.DataFrame({"val/loss[0]": [0.5, 0.4], "val/loss[1]": [0.7, 0.4]})
        >>> band(frame, "val/loss")["mean"].tolist()
        [0.6, 0.4]
    """
    _check(confidence)
    table = columns_of(history, score)
    chosen = table if members is None else table[list(members)]
    rows = [interval([float(x) for x in row], confidence) for row in chosen.to_numpy()]
    parts = {name: [getattr(row, name) for row in rows] for name in ("mean", "low", "high")}
    return pd.DataFrame(parts, index=history.index, dtype="float64")


def quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution, for a probability in [0.5, 1).

    By bisection on the finite series for whole degrees of freedom (Abramowitz and Stegun,
    Handbook of Mathematical Functions, 26.7.3 and 26.7.4).

    Example:
        >>> round(quantile(0.975, 4), 6)
        2.776445
    """
    low, high = 0.0, 1.0
    while _below(high, degrees) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _below(middle, degrees) < probability else (low, middle)
    return high


def _below(t: float, degrees: int) -> float:
    """The probability of a smaller t, for t >= 0."""
    angle = math.atan2(t, math.sqrt(degrees))
    cosine = math.cos(angle)
    odd = degrees % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    if not odd:
        within = math.sin(angle) * total
    elif degrees == 1:
        within = 2 * angle / math.pi
    else:
        within = 2 / math.pi * (angle + math.sin(angle) * total)
    return (1 + within) / 2


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise FoldError(
            "a confidence lies between 0 and 1", got=f"confidence={confidence}", do="give e.g. 0.95"
        )
