"""Cadence: at which epochs something is due, as a pure function of the epoch's index."""

from collections.abc import Callable

from artifact_fn.errors import FoldError

Cadence = Callable[[int], bool]
"""Epoch index (from 1) to whether it is due."""


def every(n: int) -> Cadence:
    """Due at epochs n, 2n, 3n, ...

    Example:
        >>> [i for i in range(1, 8) if every(3)(i)]
        [3, 6]
    """
    _positive(n)
    return lambda index: index % n == 0


def first() -> Cadence:
    """Due at epoch 1.

    Example:
        >>> [i for i in range(1, 8) if first()(i)]
        [1]
    """
    return lambda index: index == 1


def last(epochs: int) -> Cadence:
    """Due at epoch `epochs`, the one a run is meant to end with.

    A stream is unfolded before anybody decides to stop reading it, so the last epoch is known
    only where its number is; after an early stop, evaluate the state that was chosen.
    """
    _positive(epochs)
    return lambda index: index == epochs


def any_of(*cadences: Cadence) -> Cadence:
    """Due when one of them is.

    Args:
        cadences: Asked one after the other.

    Example:
        >>> [i for i in range(1, 8) if any_of(first(), every(5))(i)]
        [1, 5]
    """
    return lambda index: any(due(index) for due in cadences)


def _positive(n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise FoldError(
            "a cadence counts epochs from 1", got=repr(n), do="give a whole number of at least 1"
        )
