"""Declared: what typed modules, readers and TypedDicts say of themselves, read at run time."""

import inspect
from collections.abc import Callable
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from torch import nn
from typing_extensions import ReadOnly

from artifact_fn.errors import DataError

Keys = tuple[str, ...] | None
"""Names that have to be there; None where that cannot be found out."""


@attrs.frozen
class Declared:
    """What a `forward` declares.

    Attributes:
        name: Of the module's class, for messages.
        inputs: Keys it needs of the batch.
        outputs: Keys it promises of its outputs.

    Example:
        >>> Declared("Net", inputs=("x",), outputs=("logits",)).inputs
        ('x',)
    """

    name: str
    inputs: Keys
    outputs: Keys


def declared(module: nn.Module) -> Declared | None:
    """What a module's `forward` declares; None where it declares no dict of outputs.

    Example:
        >>> from artifact_fn.training.contracts import ModelOutput
        >>> class Logits(ModelOutput):
        ...     logits: int
        >>> class Net(nn.Module):
        ...     def forward(self, inputs: dict) -> Logits: ...
        >>> declared(Net()), declared(nn.Linear(2, 2))
        (Declared(name='Net', inputs=None, outputs=('logits',)), None)
    """
    name, forward = type(module).__name__, type(module).forward
    hints = _hints(forward)
    if hints is None:
        # There is a type, by a name that only the checkers see (an import under TYPE_CHECKING).
        there = getattr(forward, "__annotations__", {}).get("return", Any) is not Any
        return Declared(name, None, None) if there else None
    answer = hints.get("return")
    if not is_typeddict(answer):
        return None
    return Declared(name, _arguments(forward, hints)[1], required(answer))


def reads(reader: Callable[..., Any]) -> tuple[Keys, Keys]:
    """The keys that a reader's two arguments declare: those of the inputs, and of the outputs.

    Example:
        >>> from artifact_fn.training.contracts import ModelInput
        >>> class ReadsY(ModelInput):
        ...     y: ReadOnly[int]
        >>> def loss(inputs: ReadsY, outputs): ...
        >>> reads(loss)
        (('y',), None)
    """
    inputs, outputs, *_ = _arguments(reader, _hints(reader) or {})
    return inputs, outputs


def required(record: Any) -> tuple[str, ...]:
    """The keys that a TypedDict requires.

    Unlike `__required_keys__`, right where annotations are strings, and under `ReadOnly`.

    Raises:
        DataError: it is no TypedDict.

    Example:
        >>> from artifact_fn.training.contracts import ModelInput
        >>> class Reads(ModelInput):
        ...     y: ReadOnly["int"]
        ...     mask: ReadOnly[NotRequired[int]]
        >>> required(Reads)
        ('y',)
    """
    if not is_typeddict(record):
        raise DataError(
            "the type of a batch is a TypedDict",
            got=f"{record!r}",
            do="write class XY(ModelInput) with a key for each column that is read",
        )
    hints = get_type_hints(record, include_extras=True)
    return tuple(key for key, hint in hints.items() if _required(record, key, hint))


def _required(record: Any, key: str, hint: Any) -> bool:
    while (origin := get_origin(hint)) in (Required, NotRequired, ReadOnly):
        if origin is not ReadOnly:
            return origin is Required
        (hint,) = get_args(hint)
    return key in record.__required_keys__


def _hints(function: Callable[..., Any]) -> dict[str, Any] | None:
    try:
        return get_type_hints(function)
    except Exception:  # annotations are anybody's, and may be anything
        return None


def _arguments(function: Callable[..., Any], hints: dict[str, Any]) -> list[Keys]:
    """The keys of each argument, at least two."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built in
        names = []
    found = [hints.get(name) for name in names]
    return [required(hint) if is_typeddict(hint) else None for hint in [*found, None, None]]
