"""Contracts: what the parts of a training step are to each other.

Model      init(seed) -> (params, buffers); apply(params, buffers, inputs, ...) -> (outputs, buffers)
Objective  (params, buffers, batch, key, training) -> (loss, Aux)
Step       (state, batch) -> (state, metrics)
Source     what an epoch's batches are gathered from
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import attrs
from torch import Tensor

from artifact_fn import tree
from artifact_fn.training.statistics import Metrics

Params = dict[str, Tensor]
"""Trainable parameters by path; the optimizer sees these and no others."""

Buffers = dict[str, Tensor]
"""Everything else a module holds, by path: running statistics and frozen parameters."""

Batch = Mapping[str, Any]
"""A pytree of tensors with the rows in the first dimension, usually a dict of columns."""

Columns = Mapping[str, Any]
"""A pytree of tensors as long as each other, whose rows batches are gathered from."""

S = TypeVar("S")


class Init(Protocol):
    """Draws a model's first parameters and buffers from a seed."""

    def __call__(self, seed: int, /) -> tuple[Params, Buffers]:
        """Fresh tensors; the same ones for the same seed."""
        ...


class Apply(Protocol):
    """Calls a model as a pure function."""

    def __call__(
        self,
        params: Params,
        buffers: Buffers,
        inputs: Any,
        /,
        *,
        key: Tensor,
        training: bool,
        method: str = "forward",
    ) -> tuple[Any, Buffers]:
        """The outputs, and the buffers after the call; the given buffers stay as they are.

        A tuple of inputs is passed on as positional arguments, `Arguments` as what they say,
        anything else as one argument.
        """
        ...


@tree.node
class Arguments:
    """Several inputs of one call.

    Attributes:
        args: By position.
        kwargs: By name.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@attrs.frozen
class Model:
    """A module as two pure functions.

    Attributes:
        init: seed -> (params, buffers).
        apply: (params, buffers, inputs, *, key, training, method) -> (outputs, buffers).
        seeded: Whether `init` draws from its seed. False for a model made from a module, whose
            present weights are its only beginning.
    """

    init: Init
    apply: Apply
    seeded: bool


@tree.node
class Aux:
    """What an objective knows besides its loss.

    Attributes:
        outputs: Of the model, a pytree of tensors.
        metrics: By name.
        buffers: After the call.
    """

    outputs: Any
    metrics: Metrics
    buffers: Buffers


class Objective(Protocol):
    """What is minimised: a scalar loss of parameters and a batch."""

    def __call__(
        self, params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool, /
    ) -> tuple[Tensor, Aux]:
        """The loss, floating [], and what else was computed on the way."""
        ...


class Step(Protocol[S]):
    """One pure step of training or evaluation."""

    def __call__(self, state: S, batch: Batch, /) -> tuple[S, Metrics]:
        """The next state, of the same structure, and the metrics of this batch."""
        ...


@runtime_checkable
class Source(Protocol):
    """What batches are gathered from; an epoch's order is a pure function of (key, epoch)."""

    @property
    def steps(self) -> int | None:
        """Batches an epoch, or None where that cannot be known beforehand."""
        ...

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from batch `start` on; without a key, in the rows' own order."""
        ...


@runtime_checkable
class Gathered(Source, Protocol):
    """A source whose batches are rows of a table in memory, so that a program can gather them.

    Attributes:
        columns: A pytree of tensors [N, ...].
        batch_size: Rows a batch; only the last one may be shorter.
    """

    @property
    def columns(self) -> Columns:
        """A pytree of tensors [N, ...]."""
        ...

    @property
    def batch_size(self) -> int:
        """Rows a batch; only the last one may be shorter."""
        ...

    def order(self, key: Tensor | None, epoch: int) -> Tensor:
        """The rows in the order of an epoch, int64 [N]; batch i is the i-th slice of it."""
        ...
