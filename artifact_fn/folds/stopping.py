"""Stopping: folds that answer `Stop` when it is time to end a run.

Each is written over plain numbers first and made to read an epoch's score by `watch`, so it can
be tested on a list of numbers.
"""

import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from artifact_fn.errors import FoldError
from artifact_fn.folds.epoch import SECONDS, Epoch, Stop, watch
from artifact_fn.folds.fold import C, Fold, X, X_contra
from artifact_fn.folds.mode import Mode, improves, mode_of

Y = TypeVar("Y")


@attrs.frozen
class Stopper(Generic[X_contra]):
    """A fold that answers `Stop` or None, with `|` (either) and `&` (both at once).

    Attributes:
        fold: The fold itself; `run(stopper.fold, elements)` asks it over a list.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run((at_most(3) | at_most(2)).fold, [Epoch(1, None), Epoch(2, None)])
        Stop(reason='2 epochs are done')
    """

    fold: Fold[X_contra, Any, Stop | None]

    def __or__(self: "Stopper[X]", other: "Stopper[X]") -> "Stopper[X]":
        """Stops when either does."""
        _stopper(other)
        return _paired(self, other, lambda a, b: _join("; ", a, b) if a and b else a or b)

    def __and__(self: "Stopper[X]", other: "Stopper[X]") -> "Stopper[X]":
        """Stops when both would, at the same element."""
        _stopper(other)
        return _paired(self, other, lambda a, b: _join(" and ", a, b) if a and b else None)

    # Never reached at run time. Type checkers bind the left operand first; with the reflected
    # operators they try the other way round too, and accept `narrow | wide`.
    __ror__ = __or__
    __rand__ = __and__


def _stopper(other: Any) -> None:
    if not isinstance(other, Stopper):
        raise FoldError(
            "stoppers are joined with stoppers",
            got=f"{other!r}",
            do="write e.g. patience('val/loss', 5) | at_most(100)",
        )


def _join(word: str, a: Stop, b: Stop) -> Stop:
    return Stop(f"{a.reason}{word}{b.reason}")


def _paired(
    a: Stopper[X], b: Stopper[X], join: Callable[[Stop | None, Stop | None], Stop | None]
) -> Stopper[X]:
    def step(carry: tuple[Any, Any], element: X) -> tuple[Any, Any]:
        return a.fold.step(carry[0], element), b.fold.step(carry[1], element)

    return Stopper(
        Fold(
            lambda: (a.fold.init(), b.fold.init()),
            step,
            lambda carry: join(a.fold.extract(carry[0]), b.fold.extract(carry[1])),
            a.fold.reads | b.fold.reads,
        )
    )


def stopper(
    init: Callable[[], C],
    step: Callable[[C, X], C],
    extract: Callable[[C], Stop | None],
    *,
    score: str | None = None,
) -> Stopper[Any]:
    """A stopper from the three functions of a fold.

    Args:
        init: Makes the first carry.
        step: Carry and element to the next carry.
        extract: `Stop` when it is time, None before.
        score: If given, the elements are the values of this score; else they are epochs (or
            whatever the stopper is folded over).

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> thrice_above_one = stopper(
        ...     lambda: 0,
        ...     lambda count, x: count + (x > 1.0),
        ...     lambda count: Stop("above 1 three times") if count >= 3 else None,
        ... )
        >>> run(thrice_above_one.fold, [2.0, 0.5, 2.0, 2.0])
        Stop(reason='above 1 three times')
    """
    fold: Fold[Any, C, Stop | None] = Fold(init, step, extract)
    return Stopper(fold if score is None else watch(score, fold))


def _at_least_one(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FoldError(
            f"{name} is a whole number of at least 1", got=repr(value), do="give 1 or more"
        )


def at_most(epochs: int) -> Stopper[Epoch[Any]]:
    """Stops when `epochs` epochs are done, whether or not this process did them all.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run(at_most(2).fold, [Epoch(1, None), Epoch(2, None)])
        Stop(reason='2 epochs are done')
    """
    _at_least_one("the number of epochs", epochs)

    def step(_: int, epoch: Epoch[Any]) -> int:
        return epoch.index

    return stopper(
        lambda: 0,
        step,
        lambda done: Stop(f"{done} epochs are done") if done >= epochs else None,
    )


def patience(
    score: str, evaluations: int, *, mode: Mode | None = None, min_delta: float = 0.0
) -> Stopper[Epoch[Any]]:
    """Stops when a score has not improved for so many evaluations in a row.

    Evaluations, not epochs: where the score is absent nothing is counted. NaN is never an
    improvement.

    Args:
        score: Its name, e.g. `"val/loss"`.
        evaluations: How many in a row, at least 1.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.
        min_delta: By how much the best must be beaten to count.

    Raises:
        FoldError: an argument is out of range, or `mode` left out where no loss is read.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> losses = [0.9, 0.5, 0.6, 0.7]
        >>> run(patience("val/loss", 2).fold, [Epoch(i, None, {"val/loss": x}) for i, x in enumerate(losses)])
        Stop(reason='val/loss has not improved on 0.5 for 2 evaluations')
    """
    _at_least_one("patience", evaluations)
    better = improves(mode_of(score, mode), min_delta)

    def step(carry: tuple[float | None, int], value: float) -> tuple[float | None, int]:
        best, since = carry
        first = best is None and not math.isnan(value)
        return (
            (value, 0) if first or (best is not None and better(value, best)) else (best, since + 1)
        )

    def extract(carry: tuple[float | None, int]) -> Stop | None:
        best, since = carry
        if since < evaluations:
            return None
        seen = "been a number" if best is None else f"improved on {best:.6g}"
        return Stop(f"{score} has not {seen} for {since} evaluations")

    def init() -> tuple[float | None, int]:
        return None, 0

    return stopper(init, step, extract, score=score)


def _once(score: str, holds: Callable[[float], bool], what: str) -> Stopper[Epoch[Any]]:
    """Stops once a score's value has satisfied a condition."""

    def init() -> float | None:
        return None

    def step(seen: float | None, value: float) -> float | None:
        return value if seen is None and holds(value) else seen

    return stopper(
        init,
        step,
        lambda seen: None if seen is None else Stop(f"{score} {what} ({seen:.6g})"),
        score=score,
    )


def reached(score: str, value: float, *, mode: Mode | None = None) -> Stopper[Epoch[Any]]:
    """Stops when a score has got to `value` or past it in the direction of `mode`.

    Args:
        score: Its name, e.g. `"val/auc"`.
        value: The goal.
        mode: Whether lower ("min") or higher ("max") is better; may be left out of a loss.

    Raises:
        FoldError: `value` is NaN, or `mode` left out where no loss is read.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run(reached("val/auc", 0.9, mode="max").fold, [Epoch(1, None, {"val/auc": 0.95})])
        Stop(reason='val/auc has reached 0.9 (0.95)')
    """
    mode = mode_of(score, mode)
    if math.isnan(value):
        raise FoldError("a goal is a number", got="NaN", do="give the value to be reached")
    return _once(
        score,
        (lambda x: x >= value) if mode == "max" else (lambda x: x <= value),
        f"has reached {value:.6g}",
    )


def diverged(score: str = "train/loss") -> Stopper[Epoch[Any]]:
    """Stops when a score is NaN or infinite.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run(diverged().fold, [Epoch(1, None, {"train/loss": math.nan})])
        Stop(reason='train/loss has diverged (nan)')
    """
    return _once(score, lambda x: not math.isfinite(x), "has diverged")


def within(seconds: float) -> Stopper[Epoch[Any]]:
    """Stops when the run has taken so many seconds, by the clock given to the stream.

    Raises:
        FoldError: `seconds` is not above 0.

    Example:
        >>> from artifact_fn.folds.fold import run
        >>> run(within(60.0).fold, [Epoch(1, None, seconds=61.0)])
        Stop(reason='61.0 of 60 seconds are over')
    """
    if not seconds > 0:
        raise FoldError("a time is positive", got=f"{seconds} seconds", do="give more than 0")
    fold: Fold[Epoch[Any], float, Stop | None] = Fold(
        lambda: 0.0,
        lambda _, epoch: epoch.seconds,
        lambda taken: (
            Stop(f"{taken:.1f} of {seconds:g} seconds are over") if taken >= seconds else None
        ),
        frozenset({SECONDS}),
    )
    return Stopper(fold)
