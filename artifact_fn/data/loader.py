"""Loader: batches of a table, in an order that is a function of key and epoch."""

import functools
from collections.abc import Iterator
from typing import Any, Generic, cast

import attrs
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn.data.order import Order
from artifact_fn.data.table import Table
from artifact_fn.errors import DataError
from artifact_fn.training import pairing
from artifact_fn.training.contracts import ModelInput

B_co = TypeVar("B_co", covariant=True, default=dict[str, Any])
I = TypeVar("I", bound=ModelInput)  # noqa: E741


@attrs.frozen(eq=False)
class Loader(Generic[B_co]):
    """Batches of a table's rows, each a dict of columns [batch_size, ...].

    Generic in the type of a batch: a `dict[str, Any]`, or what `typed` has named.

    Holds no order and no position: both are arguments of `batches`, so reading it changes
    nothing, and an epoch can be read again, or from its middle on. A batch is a copy of its
    rows: who writes into it does not write into the table.

    Attributes:
        table: What the rows are gathered from, by one index operation a column.
        batch_size: Rows a batch, at least 1; the last one may be shorter.
        shuffle: Whether rows come in a new random order each epoch.
        drop_last: Whether a short last batch is left out of an epoch of training; evaluation and
            prediction read all rows.

    Raises:
        DataError: `table` is no table; `batch_size` is below 1, or above the rows with
            `drop_last`.

    Example:
        >>> import torch
        >>> from artifact_fn import random
        >>> loader = Loader(Table({"x": torch.arange(5)}), batch_size=2)
        >>> [len(batch["x"]) for batch in loader.batches(key=None, epoch=1)]
        [2, 2, 1]
    """

    table: Table
    batch_size: int
    shuffle: bool = attrs.field(kw_only=True, default=True)
    drop_last: bool = attrs.field(kw_only=True, default=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.table, Table):
            raise DataError(
                "a loader reads a table",
                got=f"a {type(self.table).__name__}",
                do="wrap it: Loader(Table({'x': x, 'y': y}), batch_size=64)",
            )
        _ = self._order  # which refuses what it is made of

    @functools.cached_property
    def _order(self) -> Order:
        return Order(
            len(self.table), self.batch_size, shuffle=self.shuffle, drop_last=self.drop_last
        )

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self._order.steps

    @property
    def resumable(self) -> bool:
        """True: an epoch is read from any batch on, without reading those before it."""
        return True

    @property
    def columns(self) -> dict[str, Any]:
        """The table's columns, by name: tensors [N, ...], or trees of them."""
        return self.table.columns

    def typed(self, inputs: type[I]) -> "Loader[I]":
        """The same loader, whose batches are of a type, for `on`.

        Args:
            inputs: A TypedDict of columns, with plain keys.

        Raises:
            DataError: the table lacks a column that `inputs` requires, or `inputs` is no
                TypedDict.

        Example:
            >>> import torch
            >>> class X(ModelInput):
            ...     x: Tensor
            >>> loader = Loader(Table({"x": torch.arange(5)}), batch_size=2).typed(X)
        """
        same: Any = pairing.typed(self, inputs)
        return cast("Loader[I]", same)

    def order(self, key: Tensor | None, epoch: int) -> Tensor:
        """The rows in the order of an epoch: int64 [N], where the table is.

        Args:
            key: int32 [2]; without one, the rows' own order.
            epoch: Its index; each has an order of its own.

        Raises:
            DataError: `key` is no key, or `epoch` no index.
        """
        return self._order.of(key, epoch).to(self.table.device)

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[B_co]:
        """The batches of an epoch from batch `start` on.

        Args:
            key: int32 [2]; without one, the rows come in their own order.
            epoch: Its index.
            start: Batches to leave out at the beginning.

        Raises:
            DataError: `key` is no key, `epoch` no index, or there is no batch `start`.
        """
        rows = self._order.batches(key, epoch, start, device=self.table.device)
        return (cast(B_co, self.table.rows(some)) for some in rows)
