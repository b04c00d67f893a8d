"""Plateau: a fold that tells when a score has stopped improving.

Written over numbers; `optim.reduce_on_plateau` makes a control of it, which lowers a rate.
"""

import math
from typing import Any, Literal

from artifact_fn.errors import FoldError
from artifact_fn.folds.fold import Fold
from artifact_fn.folds.mode import Mode

Waiting = tuple[float, int, int, bool]
"""The best score, evaluations since it, evaluations left to rest, and whether it is time."""


def plateau(
    *,
    mode: Mode = "min",
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
) -> Fold[float | None, Waiting, bool]:
    """Whether now is the time to act, because a score has not improved for long enough.

    The bookkeeping of torch's ReduceLROnPlateau. NaN is no improvement; None, where nothing was
    due, is passed over, and never the time.

    Args:
        mode: Whether lower ("min") or higher ("max") is better.
        patience: Evaluations without improvement that are borne, at least 0.
        threshold: How much better counts, at least 0.
        threshold_mode: Whether the threshold is a part of the best score or an amount.
        cooldown: Evaluations after it was time in which none is counted, at least 0.

    Raises:
        FoldError: an argument is out of range.

    Example:
        >>> from artifact_fn.folds.fold import scan
        >>> list(scan(plateau(patience=1), [0.5, 0.6, 0.7, 0.4, 0.5]))
        [False, False, True, False, False]
    """
    if mode not in ("min", "max"):
        raise FoldError(
            'a score is best at its "min" or "max"', got=f"mode={mode!r}", do="give one"
        )
    if threshold_mode not in ("rel", "abs"):
        raise FoldError(
            "a threshold is a part of the best score or an amount",
            got=f"threshold_mode={threshold_mode!r}",
            do="give 'rel' or 'abs'",
        )
    if not 0 <= threshold < math.inf:
        raise FoldError(
            "a threshold is at least 0", got=f"threshold={threshold}", do="give e.g. 1e-4"
        )
    for name, value in (("patience", patience), ("cooldown", cooldown)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise FoldError(
                f"{name} counts evaluations", got=f"{name}={value!r}", do="give 0 or more"
            )
    sign = 1 if mode == "max" else -1

    def better(new: float, best: float) -> bool:
        if threshold_mode == "rel":
            limit = best * (1.0 + sign * threshold)
        else:
            limit = best + sign * threshold
        return new > limit if mode == "max" else new < limit

    def init() -> Waiting:
        return -sign * math.inf, 0, 0, False

    def step(carry: Waiting, score: float | None) -> Waiting:
        best, bad, resting, _ = carry
        if score is None:
            return best, bad, resting, False
        if better(score, best):
            best, bad = score, 0
        else:
            bad += 1
        if resting > 0:
            resting, bad = resting - 1, 0
        if bad > patience:
            return best, 0, cooldown, True
        return best, bad, resting, False

    return Fold(init, step, lambda carry: carry[3])


def scored(score: str, fold: Fold[float | None, Any, Any]) -> Fold[Any, Any, Any]:
    """A fold over numbers or None, made to read one score of each epoch."""
    read: Fold[Any, Any, Any] = fold.premap(lambda epoch: epoch.scores.get(score))
    return Fold(read.init, read.step, read.extract, read.reads | {score})
