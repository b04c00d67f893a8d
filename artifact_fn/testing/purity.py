"""Purity: whoever is called leaves everything as it was, and says the same twice (law 1)."""

import contextlib
from collections.abc import Callable
from typing import Any

from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import LawError
from artifact_fn.training.compiled import Compiled
from artifact_fn.training.guards import Watch, generators


def check_pure(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function twice with trees of tensors.

    Three layers: single operations (which one writes or draws), torch's version counters, and
    the bytes of every leaf before and after; BatchNorm writes without counting.

    Args:
        function: Anything that is meant to be pure.
        arguments: Trees of tensors, and whatever else it takes by position.

    Returns:
        The answer.

    Raises:
        LawError: an argument, a global generator or the answer changed.

    Example:
        >>> import torch
        >>> check_pure(lambda x: x + 1, torch.zeros(2))
        tensor([1., 1.])
        >>> check_pure(lambda x: x.add_(1), torch.zeros(2))
        Traceback (most recent call last):
            ...
        artifact_fn.errors.LawError: a function leaves its arguments as they are; got ...
    """
    given = {p: t for p, t in tree.paths(arguments).items() if isinstance(t, Tensor)}
    before = {path: (tensor._version, tree.digest(tensor)) for path, tensor in given.items()}
    before_call = generators()
    watch = Watch(given.values())
    # A compiled program has no single operations to look at, and refuses to be watched.
    with contextlib.nullcontext() if isinstance(function, Compiled) else watch:
        answer = function(*arguments)
    for path, tensor in given.items():
        if (tensor._version, tree.digest(tensor)) != before[path]:
            where = watch.written[0] if watch.written else "another value than before"
            raise LawError(
                "a function leaves its arguments as they are",
                got=f"argument {path}: {where}",
                do="make a new tensor, or clone what a module writes into (BatchNorm its buffers)",
            )
    moved = [name for name, state in generators().items() if state != before_call[name]]
    if moved or watch.drawn:
        raise LawError(
            "a function draws from keys, never from a global generator",
            got=watch.drawn[0] if watch.drawn else f"{moved[0]}'s generator has moved",
            do="take a key and draw with artifact_fn.random",
        )
    again = function(*arguments)
    if not tree.identical(again, answer):
        raise LawError(
            "a function says the same when it is asked again",
            got=f"another value at {tree.first_difference(answer, again)}",
            do="keep nothing between calls: thread it through the state",
        )
    return answer
