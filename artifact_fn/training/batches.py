"""Batches: how what a model and its metrics read is taken out of them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import DataError, ObjectiveError
from artifact_fn.training.contracts import Arguments, Batch

Inputs = str | tuple[str, ...] | Mapping[str, str] | None
"""Columns a model takes: one, several by position, several by name, or the whole batch."""

READER = "the objective"


def column(batch: Batch, name: str, reader: str, do: str = "name one of them") -> Any:
    """A batch's column, or an error that lists what there is."""
    if name not in batch:
        raise DataError(
            f"{reader} reads the column {name!r}, which the batch does not hold",
            got=f"columns {', '.join(map(repr, batch)) or 'none'}",
            do=do,
        )
    return batch[name]


def check_inputs(inputs: Any) -> None:
    """Refuse what does not say which columns a model takes.

    Raises:
        ObjectiveError: it does not.
    """
    if not isinstance(inputs, str | tuple | Mapping | None):
        raise ObjectiveError(
            "a model takes a column, a tuple or a dict of columns, or the whole batch",
            got=f"inputs={inputs!r}",
            do="write inputs='x', inputs=('x', 'mask'), inputs={'x': 'x'} or inputs=None",
        )


def selected(batch: Batch, inputs: Inputs, reader: str = READER) -> Any:
    """What a model is called with: columns of a batch, or all of it."""
    do = "say which the model takes: inputs='x', or several in a tuple or a dict"
    if inputs is None:
        return batch
    if isinstance(inputs, str):
        return column(batch, inputs, reader, do)
    if isinstance(inputs, tuple):
        return tuple(column(batch, name, reader, do) for name in inputs)
    return Arguments((), {name: column(batch, at, reader, do) for name, at in inputs.items()})


def rows(batch: Batch) -> int:
    """How many rows a batch has: the first dimension of its first tensor."""
    for leaf in tree.leaves(batch):
        if isinstance(leaf, Tensor) and leaf.ndim > 0:
            return int(leaf.shape[0])
    return 1
