"""Member batches: a batch for each of many models in one, and the source of such batches.

Each member reads its source in the order that its own key gives, as it would alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.errors import DataError
from artifact_fn.training.contracts import Batch, Gathered, Source


@tree.node
class Each:
    """A batch of every member.

    Attributes:
        rows: A pytree of tensors [M * B, ...], one member's rows after the other's.
    """

    rows: Any

    def apart(self, members: int) -> Any:
        """The batches by member: tensors [M, B, ...]."""
        return tree.map(lambda leaf: leaf.unflatten(0, (members, -1)), self.rows)


@attrs.frozen(eq=False)
class EachInOrder:
    """A source of a batch for every member.

    Attributes:
        sources: What each member reads.
        steps: Batches an epoch, of each.
    """

    sources: tuple[Source, ...]
    steps: int | None

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Any]:
        """Batches `Each` [M * B, ...]; `key` is int32 [M, 2], or None.

        Raises:
            DataError: there is not a key for each member, or the members' batches differ in size.
        """
        keys = _keys(key, len(self.sources))
        read = [
            source.batches(own, epoch, start)
            for source, own in zip(self.sources, keys, strict=True)
        ]
        return (_joined(parts) for parts in zip(*read, strict=True))


@attrs.frozen(eq=False)
class EachGathered:
    """The same, of sources in memory, so that a program can gather the rows.

    Attributes:
        sources: What each member reads.
        steps: Batches an epoch, of each.
        columns: `Each` of the different tables, one after the other.
        batch_size: Rows a batch, of all members.
        first: Where in them each member's table begins.
    """

    sources: tuple[Gathered, ...]
    steps: int
    columns: Any
    batch_size: int
    first: tuple[int, ...]

    def order(self, key: Tensor | None, epoch: int) -> Tensor:
        """Rows of `columns`, int64 [M * N]: batch by batch, in it member by member.

        Args:
            key: int32 [M, 2]; None for the rows' own order.
            epoch: Its index.

        Raises:
            DataError: there is not a key for each member.
        """
        keys = _keys(key, len(self.sources))
        orders = torch.stack(
            [
                source.order(own, epoch) + at
                for source, own, at in zip(self.sources, keys, self.first, strict=True)
            ]
        )
        size = self.batch_size // len(self.sources)
        return torch.cat([part.reshape(-1) for part in torch.split(orders, size, dim=1)])

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Any]:
        """Batches `Each` [M * B, ...]; `key` is int32 [M, 2], or None."""
        order = self.order(key, epoch)
        parts = torch.split(order, self.batch_size)[start : self.steps]
        return (
            tree.map(lambda column, rows=part: column.index_select(0, rows), self.columns)
            for part in parts
        )


def of_each(sources: Sequence[Source]) -> Source[Any]:
    """A source of a batch for every member, of the sources that they read.

    Members may read one source (the same object), or others: of a cross-validation, of
    bootstrap samples. Of each different one in memory a copy of the table is joined to the others.

    Args:
        sources: One for each member, in their order; batches are as large in all.

    Raises:
        DataError: something is no source, or their batches differ in number or size.
    """
    for source in sources:
        if not isinstance(source, Source):
            raise DataError(
                "each member reads a source",
                got=f"a {type(source).__name__}",
                do="pass a loader, or a list with one for each member",
            )
    if len({source.steps for source in sources}) > 1:
        raise _uneven(f"epochs of {sorted({str(source.steps) for source in sources})} batches")
    tables = {id(source): source for source in sources if isinstance(source, Gathered)}
    steps = sources[0].steps
    if len(tables) < len({id(source) for source in sources}) or steps is None:
        return EachInOrder(tuple(sources), steps)
    sizes = {(_rows(table), table.batch_size) for table in tables.values()}
    if len(sizes) > 1:
        raise _uneven(f"(rows, rows a batch) of {sorted(sizes)}")
    whole = [table.columns for table in tables.values()]
    columns = whole[0] if len(whole) == 1 else tree.map(lambda *all: torch.cat(all), *whole)
    (rows, size) = sizes.pop()
    place = {name: i * rows for i, name in enumerate(tables)}
    return EachGathered(
        tuple(tables[id(source)] for source in sources),
        steps,
        Each(columns),
        size * len(sources),
        tuple(place[id(source)] for source in sources),
    )


def _rows(table: Gathered) -> int:
    return len(tree.leaves(table.columns)[0])


def _uneven(got: str) -> DataError:
    return DataError(
        "members that are trained together take batches of one size",
        got=got,
        do="give each as many rows: data.cross_validation does, and so does drop_last=True",
    )


def _joined(parts: Sequence[Batch]) -> Each:
    shapes = [{path: leaf.shape for path, leaf in tree.paths(part).items()} for part in parts]
    if any(shape != shapes[0] for shape in shapes):
        raise _uneven(f"batches of shapes {shapes[0]} and others")
    return Each(tree.map(lambda *leaves: torch.cat(leaves), *parts))


def _keys(key: Tensor | None, members: int) -> Sequence[Tensor | None]:
    if key is None:
        return [None] * members
    if key.shape != (members, 2):
        raise DataError(
            "members read in the order of their keys",
            got=f"keys of shape {list(key.shape)} for {members} members",
            do="use the source with the state of its own ensemble",
        )
    return list(key)
