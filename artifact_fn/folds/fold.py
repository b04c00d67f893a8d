"""Fold: a left fold over a stream, as a value.

Every "callback" of a run is one: it closes over its configuration, threads a carry and answers
after any prefix. Nothing here knows about tensors or training.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

X = TypeVar("X")
Y = TypeVar("Y")
C = TypeVar("C")
R = TypeVar("R")
S = TypeVar("S")
X_contra = TypeVar("X_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@attrs.frozen
class Fold(Generic[X_contra, C, R_co]):
    """A left fold: where it starts, how it goes on, what it answers.

    Attributes:
        init: Makes the first carry. The carry is all the fold remembers.
        step: Carry and element to the next carry; it never changes the old one.
        extract: The answer after any prefix; asking does not disturb the fold.
        reads: The scores of an epoch that it cannot do without, so that a name nobody makes is
            refused before training.

    Example:
        >>> total = Fold(lambda: 0, lambda carry, x: carry + x, lambda carry: carry)
        >>> run(total, [1, 2, 3])
        6
    """

    init: Callable[[], C]
    step: Callable[[C, X_contra], C]
    extract: Callable[[C], R_co]
    reads: frozenset[str] = frozenset()

    def map(self, function: Callable[[R_co], S]) -> "Fold[X_contra, C, S]":
        """The same fold with `function` applied to its answer."""
        return Fold(self.init, self.step, lambda carry: function(self.extract(carry)), self.reads)

    def premap(self, function: Callable[[Y], X_contra]) -> "Fold[Y, C, R_co]":
        """The same fold over elements that `function` turns into its own.

        Example:
            >>> longest = Fold(lambda: 0, max, lambda carry: carry)
            >>> run(longest.premap(len), ["a", "abc", "ab"])
            3
        """
        return Fold(
            self.init,
            lambda carry, element: self.step(carry, function(element)),
            self.extract,
            self.reads,
        )


def named(folds: Mapping[str, Fold[X, Any, Any]]) -> Fold[X, dict[str, Any], dict[str, Any]]:
    """Several folds side by side over one pass: a dict of carries, a dict of answers.

    Example:
        >>> total = Fold(lambda: 0, lambda carry, x: carry + x, lambda carry: carry)
        >>> count = Fold(lambda: 0, lambda carry, _: carry + 1, lambda carry: carry)
        >>> run(named({"total": total, "count": count}), [5, 6])
        {'total': 11, 'count': 2}
    """
    parts = dict(folds)
    return Fold(
        lambda: {name: fold.init() for name, fold in parts.items()},
        lambda carry, element: {
            name: fold.step(carry[name], element) for name, fold in parts.items()
        },
        lambda carry: {name: fold.extract(carry[name]) for name, fold in parts.items()},
        frozenset[str]().union(*(fold.reads for fold in parts.values())),
    )


def run(fold: Fold[X, C, R], elements: Iterable[X]) -> R:
    """The answer after all elements.

    Args:
        fold: What is asked.
        elements: Read once, in order.

    Example:
        >>> run(Fold(lambda: 0, max, lambda carry: carry), [3, 1, 4])
        4
    """
    carry = fold.init()
    for element in elements:
        carry = fold.step(carry, element)
    return fold.extract(carry)


def scan(fold: Fold[X, C, R], elements: Iterable[X]) -> Iterator[R]:
    """The answer after each element, lazily.

    Args:
        fold: What is asked.
        elements: Read once, in order, as answers are.

    Example:
        >>> total = Fold(lambda: 0, lambda carry, x: carry + x, lambda carry: carry)
        >>> list(scan(total, [1, 2, 3]))
        [1, 3, 6]
    """
    carry = fold.init()
    for element in elements:
        carry = fold.step(carry, element)
        yield fold.extract(carry)
