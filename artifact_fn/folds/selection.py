"""Selection: folds that keep epochs, with their states.

States are immutable, so what was kept cannot be changed by later epochs and needs no copy.
"""

from typing import Any

from artifact_fn.errors import FoldError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.folds.fold import Fold
from artifact_fn.folds.mode import Mode, improves, mode_of

Kept = tuple[Epoch[Any], ...]


def top_k(score: str, k: int, *, mode: Mode | None = None) -> Fold[Epoch[Any], Kept, Kept]:
    """The k epochs with the best values of a score, best first.

    Of equal values the earlier epoch is better; NaN is never kept.

    Args:
        score: Its name, e.g. `"val/loss"`.
        k: How many, at least 1.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.

    Raises:
        FoldError: an argument is out of range, or `mode` left out where no loss is read.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> epochs = [Epoch(i, None, {"val/auc": x}) for i, x in enumerate([0.7, 0.9, 0.8], 1)]
        >>> [epoch.index for epoch in run(top_k("val/auc", 2, mode="max"), epochs)]
        [2, 3]
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise FoldError("at least 1 epoch is kept", got=f"k={k!r}", do="give 1 or more")
    better = improves(mode_of(score, mode))

    def step(kept: Kept, epoch: Epoch[Any]) -> Kept:
        value = epoch.scores.get(score)
        if value is None or value != value:
            return kept
        place = sum(not better(value, other.scores[score]) for other in kept)
        return (*kept[:place], epoch, *kept[place:])[:k]

    def init() -> Kept:
        return ()

    return Fold(init, step, lambda kept: kept, frozenset({score}))


def best(score: str, *, mode: Mode | None = None) -> Fold[Epoch[Any], Kept, Epoch[Any] | None]:
    """The epoch with the best value of a score; None before there is one.

    Args:
        score: Its name, e.g. `"val/loss"`.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.

    Raises:
        FoldError: `mode` is left out where no loss is read.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> epochs = [Epoch(i, None, {"val/loss": x}) for i, x in enumerate([0.7, 0.5, 0.6], 1)]
        >>> run(best("val/loss"), epochs).index
        2
    """
    return top_k(score, 1, mode=mode).map(_first)


def last() -> Fold[Epoch[Any], Kept, Epoch[Any] | None]:
    """The last epoch; None before the first.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run(last(), [Epoch(1, None), Epoch(2, None)]).index
        2
    """

    def init() -> Kept:
        return ()

    return Fold(init, lambda _, epoch: (epoch,), _first)


def _first(kept: tuple[Any, ...]) -> Any:
    return kept[0] if kept else None
