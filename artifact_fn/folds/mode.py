"""Mode: at which end a score is best."""

from collections.abc import Callable
from typing import Literal

from artifact_fn.errors import FoldError

Mode = Literal["min", "max"]
"""Whether lower or higher values of a score are better."""


def mode_of(score: str, mode: Mode | None) -> Mode:
    """The mode that was given; without one, "min" for a loss.

    A loss is a score whose name ends in "loss", in capitals or not. Of any other nobody but its
    reader knows which end is best, and a guess would keep the worst epoch without a word.

    Args:
        score: Its name, e.g. `"val/loss"`.
        mode: "min", "max", or None where it was not said.

    Raises:
        FoldError: it is needed and was not said, or is another.

    Example:
        >>> mode_of("val/loss", None), mode_of("val/auc", "max")
        ('min', 'max')
    """
    if mode is None:
        if not score.lower().endswith("loss"):
            raise FoldError(
                f"of {score!r} it is not known whether lower or higher is better",
                got="no mode, and a name that does not end in 'loss'",
                do="say mode='max' (an accuracy, an AUC) or mode='min' (an error)",
            )
        return "min"
    if mode not in ("min", "max"):
        raise FoldError(
            'a score is best at its "min" or "max"', got=f"mode={mode!r}", do="give one"
        )
    return mode


def improves(mode: Mode, by: float = 0.0) -> Callable[[float, float], bool]:
    """A comparison: whether a new score beats the best by more than `by`. NaN never does.

    Raises:
        FoldError: `mode` is not "min" or "max", or `by` is negative or NaN.

    Example:
        >>> improves("max")(0.9, 0.8), improves("min", by=0.1)(0.75, 0.8)
        (True, False)
    """
    if not by >= 0:
        raise FoldError(
            "an improvement is at least 0", got=f"min_delta={by}", do="give 0 or a positive number"
        )
    if mode == "min":
        return lambda new, best: new < best - by
    if mode == "max":
        return lambda new, best: new > best + by
    raise FoldError('a score is best at its "min" or "max"', got=f"mode={mode!r}", do="give one")
