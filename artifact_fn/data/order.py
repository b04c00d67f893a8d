"""Order: which rows make which batch of an epoch, a pure function of key and epoch."""

from collections.abc import Iterator
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import threefry
from artifact_fn.errors import DataError


@attrs.frozen
class Order:
    """How rows are dealt into batches.

    Attributes:
        rows: How many there are, at least 1.
        batch_size: Rows a batch, at least 1; the last one may be shorter.
        shuffle: Whether rows come in a new random order each epoch.
        drop_last: Whether a short last batch is left out of an epoch that is read with a key.

    Raises:
        DataError: `batch_size` is below 1, or above the rows with `drop_last`; a switch is no
            bool.

    Example:
        >>> [rows.tolist() for rows in Order(5, 2, shuffle=False).batches(None, 1)]
        [[0, 1], [2, 3], [4]]
    """

    rows: int
    batch_size: int
    shuffle: bool = attrs.field(kw_only=True, default=True)
    drop_last: bool = attrs.field(kw_only=True, default=False)

    def __attrs_post_init__(self) -> None:
        size = self.batch_size
        check_size(size)
        check_switch("shuffle", self.shuffle)
        check_switch("drop_last", self.drop_last)
        if self.rows > 2**32:
            raise DataError(
                "an order is drawn for at most 2**32 rows",
                got=f"{self.rows} rows",
                do="let a row hold several, or write the order as a function with from_batches",
            )
        if self.drop_last and size > self.rows:
            raise DataError(
                "dropping the short last batch would drop every row",
                got=f"batch_size={size} for {self.rows} rows",
                do="lower batch_size, or keep the last batch",
            )

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(self.rows, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def steps_of(self, key: Tensor | None) -> int:
        """Batches of one reading: without a key, which is how rows are evaluated, of all rows."""
        return -(-self.rows // self.batch_size) if key is None else self.steps

    def of(self, key: Tensor | None, epoch: int) -> Tensor:
        """The rows in the order of an epoch: int64 [rows], on the CPU.

        Args:
            key: int32 [2]; without one, the rows' own order.
            epoch: Its index; each has an order of its own.

        Raises:
            DataError: `key` is no key, or `epoch` no index.
        """
        check_epoch(key, epoch)
        if key is None or not self.shuffle:
            return torch.arange(self.rows)
        return threefry.permuted(threefry.folded(key, epoch), self.rows)

    def batches(
        self,
        key: Tensor | None,
        epoch: int,
        start: int = 0,
        *,
        device: torch.device | None = None,
    ) -> Iterator[Tensor]:
        """The rows of each batch from batch `start` on.

        Args:
            key: As in `of`.
            epoch: As in `of`.
            start: Batches to leave out at the beginning.
            device: Where the rows' numbers are wanted, if not on the CPU.

        Returns:
            int64 [batch_size], the last one maybe shorter.

        Raises:
            DataError: there is no batch `start`, or as in `of`.
        """
        steps = self.steps_of(key)
        check_start(start, steps)
        size = self.batch_size
        order = self.of(key, epoch).to(device)  # whole: one copy to a device, not one a batch
        return (order[at * size : (at + 1) * size] for at in range(start, steps))


def check_size(size: Any) -> None:
    """Refuse what is no batch size.

    Raises:
        DataError: it is below 1, or no int.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise DataError(
            "a batch has at least 1 row", got=f"batch_size={size!r}", do="give 1 or more, an int"
        )


def check_switch(name: str, value: Any) -> None:
    """Refuse what is neither on nor off.

    Raises:
        DataError: it is no bool.
    """
    if not isinstance(value, bool):
        raise DataError(f"{name} is True or False", got=repr(value), do=f"write {name}=True")


def check_epoch(key: Any, epoch: Any) -> None:
    """Refuse what an epoch cannot be read with.

    Raises:
        DataError: `key` is no key, or `epoch` no index.
    """
    if key is not None and not (
        isinstance(key, Tensor) and key.dtype == torch.int32 and key.shape == (2,)
    ):
        raise DataError(
            "an epoch is read with a random key, or None for the rows' own order",
            got=repr(key),
            do="make a key of a seed: random.key(0)",
        )
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
        raise DataError("an epoch is told by its index", got=repr(epoch), do="count from 1")


def check_start(start: Any, steps: int | None) -> None:
    """Refuse a cursor that lies outside of an epoch.

    Raises:
        DataError: it does.
    """
    if isinstance(start, int) and start >= 0 and (steps is None or start <= steps):
        return
    raise DataError(
        f"an epoch{'' if steps is None else f' of {steps} batches'} is read from one of them on",
        got=f"start={start!r}",
        do="give how many batches are done, from 0",
    )
