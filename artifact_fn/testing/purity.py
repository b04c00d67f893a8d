"""Purity: whoever is called leaves everything as it was, and says the same twice (law 1)."""

import contextlib
import random as python_random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import LawError
from artifact_fn.training.compiled import Compiled
from artifact_fn.training.guards import Watch


def check_pure(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function twice with trees of tensors.

    Three layers: single operations (which one writes or draws), torch's version counters, and
    the bytes of every leaf before and after; BatchNorm writes without counting.

    Returns:
        The answer.

    Raises:
        LawError: an argument, a global generator or the answer changed.

    Example:
        >>> check_pure(lambda x: x + 1, torch.zeros(2))
        tensor([1., 1.])
        >>> check_pure(lambda x: x.add_(1), torch.zeros(2))
        Traceback (most recent call last):
            ...
        artifact_fn.errors.LawError: a function leaves its arguments as they are; got ...
    """
    given = {p: t for p, t in tree.paths(arguments).items() if isinstance(t, Tensor)}
    before = {path: (tensor._version, tree.digest(tensor)) for path, tensor in given.items()}
    generators = _generators()
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
    moved = [name for name, state in _generators().items() if state != generators[name]]
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
            got=f"another value at {first_difference(answer, again)}",
            do="keep nothing between calls: thread it through the state",
        )
    return answer


def first_difference(a: Any, b: Any) -> str:
    """The first path at which two trees differ, or their structure."""
    ours, theirs = tree.paths(a), tree.paths(b)
    if ours.keys() != theirs.keys():
        return f"{sorted(ours.keys() ^ theirs.keys())[0]} (only one of them has it)"
    return next((p or "it" for p in ours if not tree.identical(ours[p], theirs[p])), "structure")


def _generators() -> dict[str, str]:
    return {
        "torch": tree.digest(torch.get_rng_state()),
        "random": repr(python_random.getstate()),
        "numpy": repr(
            [
                part.tolist() if isinstance(part, np.ndarray) else part
                for part in np.random.get_state()
            ]
        ),
    }
