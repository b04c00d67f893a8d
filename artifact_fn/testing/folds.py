"""Folds: resumed at every cut, asked at any time, never changing a carry (law 5)."""

from collections.abc import Callable, Iterable
from typing import Any

from artifact_fn.errors import LawError
from artifact_fn.folds.fold import Fold, X, run


def check_fold(
    fold: Fold[X, Any, Any],
    elements: Iterable[X],
    *,
    same: Callable[[Any, Any], bool] = lambda a, b: repr(a) == repr(b),
) -> None:
    """Fold a stream in every way that must give one answer.

    Args:
        fold: To be checked.
        elements: A stream for it, as varied as what it will read.
        same: Whether two answers, or two carries, are the same; by their repr unless told
            otherwise, so that NaN equals itself.

    Raises:
        LawError: stepping or asking changes a carry, or a fresh start shares one.

    Example:
        >>> check_fold(Fold(lambda: 0, lambda carry, x: carry + x, lambda carry: carry), [1, 2, 3])
    """
    stream = list(elements)
    if not same(fold.init(), fold.init()):
        raise LawError(
            "every run of a fold starts the same",
            got=f"init() answered {fold.init()!r} and then another value",
            do="make the first carry from constants",
        )
    whole = run(fold, stream)
    carry = fold.init()
    for i, element in enumerate(stream):
        if not same(fold.extract(carry), fold.extract(carry)):
            raise LawError(
                "asking a fold does not disturb it",
                got=f"two answers after {i} elements",
                do="compute the answer from the carry without changing it",
            )
        held = repr(carry)
        after = fold.step(carry, element)
        if repr(carry) != held:
            raise LawError(
                "a fold's step leaves the old carry as it is",
                got=f"{held} became {carry!r} at element {i}",
                do="answer a new carry: (*carry, x) instead of carry.append(x)",
            )
        resumed = after
        for rest in stream[i + 1 :]:
            resumed = fold.step(resumed, rest)
        if not same(fold.extract(resumed), whole):
            raise LawError(
                "a fold taken up at any cut ends the same",
                got=f"another answer when taken up after {i + 1} elements",
                do="keep all that is remembered in the carry, none of it in the closure",
            )
        carry = after
