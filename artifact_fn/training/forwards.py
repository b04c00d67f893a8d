"""Forwards: what a module takes and answers, as types."""

from collections.abc import Callable
from typing import Protocol, TypedDict, TypeVar

from torch import Tensor

F_contra = TypeVar("F_contra", contravariant=True)
F_co = TypeVar("F_co", covariant=True)


class ModelInput(TypedDict):
    """What a typed model or reader takes: a TypedDict of yours inherits from it.

    Sources and models declare plain keys, readers (losses and metrics) declare theirs `ReadOnly`.

    Example:
        >>> class Rows(ModelInput):
        ...     x: Tensor
        ...     y: Tensor
        >>> sorted(Rows.__required_keys__)
        ['x', 'y']
    """


class ModelOutput(TypedDict):
    """What a typed model answers, or a reader reads of it: a TypedDict of yours inherits from it.

    Example:
        >>> class Logits(ModelOutput):
        ...     logits: Tensor
        >>> sorted(Logits.__required_keys__)
        ['logits']
    """


class NoOutput(ModelOutput):
    """The output that no model answers: only where a type is `Any` is it accepted.

    That is how the checkers tell a `forward` without types from one that has them.
    """

    no_output: Callable[[], None]


class HasForward(Protocol[F_contra, F_co]):
    """An nn.Module by what its `forward` takes and answers.

    By `forward`, never by `__call__`: a module's `__call__` takes and answers Any.

    Example:
        >>> import torch
        >>> module: HasForward[Tensor, Tensor] = torch.nn.ReLU()
        >>> module.forward(torch.tensor([-1.0, 1.0]))
        tensor([0., 1.])
    """

    def forward(self, inputs: F_contra, /) -> F_co:
        """The outputs."""
        ...


class HasKeyedForward(Protocol[F_contra, F_co]):
    """An nn.Module whose `forward` also draws from a key.

    Example:
        >>> import torch
        >>> from artifact_fn import random
        >>> class Noisy(torch.nn.Module):
        ...     def forward(self, inputs: Tensor, /, *, key: Tensor) -> Tensor:
        ...         return inputs + random.normal(key, inputs.shape)
        >>> Noisy().forward(torch.zeros(3), key=random.key(0)).shape
        torch.Size([3])
    """

    def forward(self, inputs: F_contra, /, *, key: Tensor) -> F_co:
        """The outputs; key is int32 [2]."""
        ...
