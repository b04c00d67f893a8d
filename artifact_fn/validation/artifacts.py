"""Artifacts: what validation computes, as plain values.

An artifact is a pure function of validated columns. It answers a score, an array or a plot, or a
dict of one of them by name; its parameters are keyword arguments, so `functools.partial` sets
them. A catalogue names artifacts: an immutable mapping that nothing is ever registered in.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, get_args

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from artifact_fn.errors import ValidationError

D = TypeVar("D")
R = TypeVar("R")

Score: TypeAlias = float
Array: TypeAlias = NDArray[np.float64]
Plot: TypeAlias = Figure

Artifact: TypeAlias = Callable[[D], R]
"""Validated columns to a result; pure, and safe to send to another process."""

Catalogue: TypeAlias = Mapping[str, Artifact[D, R]]
"""Artifacts of one kind by name."""


def catalogue(artifacts: Mapping[str, Artifact[D, R]]) -> Catalogue[D, R]:
    """The same mapping, which can no longer be changed.

    Example:
        >>> doubled = catalogue({"DOUBLE": lambda x: 2 * x})
        >>> doubled["DOUBLE"](4)
        8
    """
    return MappingProxyType(dict(artifacts))


def select(artifacts: Catalogue[D, R], *names: str) -> dict[str, Artifact[D, R]]:
    """Some artifacts of a catalogue, by name.

    Args:
        artifacts: By name, a catalogue.
        names: Of those that are wanted.

    Raises:
        ValidationError: there is no artifact of that name; it says which ones are near.

    Example:
        >>> select(catalogue({"DOUBLE": lambda x: 2 * x}), "DUBLE")
        Traceback (most recent call last):
            ...
        artifact_fn.errors.ValidationError: there is no artifact of that name in this catalogue; got 'DUBLE'; perhaps 'DOUBLE' is meant
    """
    for name in names:
        if name not in artifacts:
            near = get_close_matches(name, artifacts, n=3, cutoff=0.5) or sorted(artifacts)
            raise ValidationError(
                "there is no artifact of that name in this catalogue",
                got=repr(name),
                do=f"perhaps {' or '.join(map(repr, near))} is meant",
            )
    return {name: artifacts[name] for name in names}


def chosen(parameter: str, value: Any, choices: Any) -> None:
    """Complain about a parameter that is none of its choices.

    Args:
        parameter: Its name, for the message.
        value: What was given.
        choices: A `Literal` type.

    Raises:
        ValidationError: `value` is none of them.
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ValidationError(
            f"{parameter} is one of {len(allowed)} names",
            got=repr(value),
            do="give " + " or ".join(map(repr, allowed)),
        )
