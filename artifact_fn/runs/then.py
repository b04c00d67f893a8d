"""Then: one function after the other, as long as none of them fails."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from returns.io import IOResult

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
F = TypeVar("F")


@overload
def then(outcome: IOResult[A, F], first: Callable[[A], IOResult[B, F]], /) -> IOResult[B, F]: ...
@overload
def then(
    outcome: IOResult[A, F],
    first: Callable[[A], IOResult[B, F]],
    second: Callable[[B], IOResult[C, F]],
    /,
) -> IOResult[C, F]: ...
@overload
def then(
    outcome: IOResult[A, F],
    first: Callable[[A], IOResult[B, F]],
    second: Callable[[B], IOResult[C, F]],
    third: Callable[[C], IOResult[D, F]],
    /,
) -> IOResult[D, F]: ...
def then(outcome: IOResult[Any, F], *functions: Callable[[Any], IOResult[Any, F]]) -> Any:
    """What the last function answers, or the first failure.

    Type checkers see through it, as they do not through a pipe of any length.

    Args:
        outcome: What the first function is given, if it has not failed.
        functions: Up to three, each given what the one before has answered.

    Example:
        >>> from returns.io import IOFailure, IOSuccess
        >>> def half(x: int) -> IOResult[int, str]:
        ...     return IOFailure("odd") if x % 2 else IOSuccess(x // 2)
        >>> then(IOSuccess(8), half, half)
        <IOResult: <Success: 2>>
        >>> then(IOSuccess(6), half, half)
        <IOResult: <Failure: odd>>
    """
    for function in functions:
        outcome = outcome.bind(function)
    return outcome
