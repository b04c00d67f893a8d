"""Loader: batches of a table, in an order that is a function of key and epoch."""

from collections.abc import Iterator
from typing import Any, Generic, cast

import attrs
import torch
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn import threefry
from artifact_fn.data.table import Table
from artifact_fn.errors import DataError
from artifact_fn.training import pairing
from artifact_fn.training.contracts import ModelInput

B_co = TypeVar("B_co", covariant=True, default=dict[str, Tensor])
I = TypeVar("I", bound=ModelInput)  # noqa: E741


@attrs.frozen(eq=False)
class Loader(Generic[B_co]):
    """Batches of a table's rows, each a dict of columns [batch_size, ...].

    Generic in the type of a batch: a `dict[str, Tensor]`, or what `typed` has named.

    Holds no order and no position: both are arguments of `batches`, so reading it changes
    nothing, and an epoch can be read again, or from its middle on.

    Attributes:
        table: What the rows are gathered from, by one index operation a column.
        batch_size: Rows a batch, at least 1; the last one may be shorter.
        shuffle: Whether rows come in a new random order each epoch.
        drop_last: Whether a short last batch is left out.

    Raises:
        DataError: `batch_size` is below 1, or above the rows with `drop_last`.

    Example:
        >>> from artifact_fn import random
        >>> loader = Loader(Table({"x": torch.arange(5)}), batch_size=2)
        >>> [len(batch["x"]) for batch in loader.batches(random.key(0), epoch=1)]
        [2, 2, 1]
    """

    table: Table
    batch_size: int
    shuffle: bool = attrs.field(kw_only=True, default=True)
    drop_last: bool = attrs.field(kw_only=True, default=False)

    def __attrs_post_init__(self) -> None:
        size, rows = self.batch_size, len(self.table)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise DataError(
                "a batch has at least 1 row", got=f"batch_size={size!r}", do="give 1 or more"
            )
        if self.drop_last and size > rows:
            raise DataError(
                "dropping the short last batch would drop every row",
                got=f"batch_size={size} for {rows} rows",
                do="lower batch_size, or keep the last batch",
            )

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        rows = len(self.table)
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    @property
    def columns(self) -> dict[str, Tensor]:
        """The table's columns, [N, ...] by name."""
        return self.table.columns

    def typed(self, inputs: type[I]) -> "Loader[I]":
        """The same loader, whose batches are of a type, for `on`.

        Args:
            inputs: A TypedDict of columns, with plain keys.

        Raises:
            DataError: the table lacks a column that `inputs` requires, or `inputs` is no
                TypedDict.

        Example:
            >>> class X(ModelInput):
            ...     x: Tensor
            >>> loader = Loader(Table({"x": torch.arange(5)}), batch_size=2).typed(X)
        """
        same: Any = pairing.typed(self, inputs)
        return cast("Loader[I]", same)

    def order(self, key: Tensor | None, epoch: int) -> Tensor:
        """The rows in the order of an epoch: int64 [N].

        Args:
            key: int32 [2]; without one, the rows' own order.
            epoch: Its index; each has an order of its own.
        """
        rows, device = len(self.table), self.table[self.table.names[0]].device
        if key is None or not self.shuffle:
            return torch.arange(rows, device=device)
        return threefry.permuted(threefry.folded(key, epoch), rows).to(device)

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[B_co]:
        """The batches of an epoch from batch `start` on.

        Args:
            key: int32 [2]; without one, the rows come in their own order.
            epoch: Its index.
            start: Batches to leave out at the beginning.
        """
        order = self.order(key, epoch)
        for step in range(start, self.steps):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield cast(B_co, self.table.rows(rows))
