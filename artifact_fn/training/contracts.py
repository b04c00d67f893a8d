"""Contracts: what the parts of a training step are to each other.

Model      init(seed) -> (params, buffers); apply(params, buffers, inputs, ...) -> (outputs, buffers)
Objective  (params, buffers, batch, key, training) -> (loss, Aux)
Step       (state, batch) -> (state, metrics)
Source     what an epoch's batches are gathered from

Each is generic: contravariant in what it reads, covariant in what it makes. A type argument that is
left out is `Any`, so code without types needs none; `pairing` is where they are solved.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, runtime_checkable

import attrs
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn import tree
from artifact_fn.training.forwards import HasForward as HasForward
from artifact_fn.training.forwards import HasKeyedForward as HasKeyedForward
from artifact_fn.training.forwards import ModelInput as ModelInput
from artifact_fn.training.forwards import ModelOutput as ModelOutput
from artifact_fn.training.forwards import NoOutput as NoOutput
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
I_contra = TypeVar("I_contra", contravariant=True, default=Any)
O_co = TypeVar("O_co", covariant=True, default=Any)
D_co = TypeVar("D_co", covariant=True, default=Any)
B_contra = TypeVar("B_contra", contravariant=True, default=Any)
B_co = TypeVar("B_co", covariant=True, default=Batch)


class Init(Protocol):
    """Draws a model's first parameters and buffers from a seed."""

    def __call__(self, seed: int, /) -> tuple[Params, Buffers]:
        """Fresh tensors; the same ones for the same seed."""
        ...


class Apply(Protocol[I_contra, O_co]):
    """Calls a model as a pure function."""

    def __call__(
        self,
        params: Params,
        buffers: Buffers,
        inputs: I_contra,
        /,
        *,
        key: Tensor,
        training: bool,
        method: str = "forward",
    ) -> tuple[O_co, Buffers]:
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

    Example:
        >>> import torch
        >>> Arguments((torch.zeros(2),), {"mask": torch.ones(2)}).kwargs["mask"]
        tensor([1., 1.])
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@attrs.frozen
class Model(Generic[I_contra, O_co, D_co]):
    """A module as two pure functions.

    Generic in what `forward` takes, what it answers, and in `declared`.

    Attributes:
        init: seed -> (params, buffers).
        apply: (params, buffers, inputs, *, key, training, method) -> (outputs, buffers).
        seeded: Whether `init` draws from its seed. False for a model made from a module, whose
            present weights are its only beginning.
        declared: What its `forward` declares of its inputs and outputs (a `Declared`), or None
            where that is nothing.
        template: Of its module, for `taps`; None for a model that is made of functions.

    Example:
        >>> import torch
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Linear(3, 2))
        >>> params, buffers = model.init(0)
        >>> model.apply(params, buffers, torch.ones(4, 3), key=None, training=False)[0].shape
        torch.Size([4, 2])
    """

    init: Init
    apply: Apply[I_contra, O_co]
    seeded: bool
    declared: D_co = attrs.field(default=None)
    template: Any = attrs.field(default=None, eq=False, repr=False)


@tree.node
class Aux(Generic[O_co]):
    """What an objective knows besides its loss.

    Attributes:
        outputs: Of the model, a pytree of tensors.
        metrics: By name.
        buffers: After the call.

    Example:
        >>> import torch
        >>> Aux(outputs=torch.tensor([0.5]), metrics={}, buffers={}).outputs
        tensor([0.5000])
    """

    outputs: O_co
    metrics: Metrics
    buffers: Buffers


class Objective(Protocol[B_contra, O_co]):
    """What is minimised: a scalar loss of parameters and a batch.

    Example:
        >>> import torch
        >>> def decay(params, buffers, batch, key, training):
        ...     return params["w"].square().sum(), Aux(None, {}, buffers)
        >>> decay({"w": torch.tensor([3.0])}, {}, None, None, True)[0]
        tensor(9.)
    """

    def __call__(
        self, params: Params, buffers: Buffers, batch: B_contra, key: Tensor, training: bool, /
    ) -> tuple[Tensor, Aux[O_co]]:
        """The loss, floating [], and what else was computed on the way."""
        ...


class Step(Protocol[S, B_contra]):
    """One pure step of training or evaluation.

    Example:
        >>> import torch
        >>> from artifact_fn.training.statistics import mean
        >>> def step(state, batch):
        ...     return state + 1, {"x": mean(batch["x"])}
        >>> step(torch.tensor(0), {"x": torch.ones(4)})[0]
        tensor(1)
    """

    def __call__(self, state: S, batch: B_contra, /) -> tuple[S, Metrics]:
        """The next state, of the same structure, and the metrics of this batch."""
        ...


@runtime_checkable
class Source(Protocol[B_co]):
    """What batches are gathered from; an epoch's order is a pure function of (key, epoch).

    Example:
        >>> import torch
        >>> class Ones:
        ...     steps = 2
        ...     def batches(self, key, epoch, start=0):
        ...         return iter([{"x": torch.ones(4)}] * (2 - start))
        >>> isinstance(Ones(), Source)
        True
    """

    @property
    def steps(self) -> int | None:
        """Batches an epoch, or None where that cannot be known beforehand."""
        ...

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[B_co]:
        """The batches of one epoch from batch `start` on.

        Without a key, which is how rows are evaluated and predicted, all of them in their own
        order, those too that an epoch of `steps` batches leaves out.
        """
        ...


@runtime_checkable
class Gathered(Source[B_co], Protocol[B_co]):
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
