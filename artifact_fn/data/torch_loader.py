"""Torch loader: batches of a torch Dataset or DataLoader, in an order of key and epoch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from artifact_fn.data.cursor import not_resumable
from artifact_fn.data.isolated import isolated, seed_of, seeded, seeds_of
from artifact_fn.data.order import Order, check_epoch, check_start
from artifact_fn.errors import DataError
from artifact_fn.training.contracts import Batch

Collate = Callable[[list[Any]], Any]
"""Items of a dataset to one batch."""

_DRAWS, _WORKERS = 1, 2  # what is folded into an epoch's key, besides nothing for its order


@attrs.frozen
class Workers:
    """Processes that read a dataset; the arguments of torch's DataLoader of these names.

    Attributes:
        num_workers: How many; 0 to read in this process.
        options: `worker_init_fn`, `multiprocessing_context`, `prefetch_factor`, `timeout`.
    """

    num_workers: int
    options: Mapping[str, Any]


@attrs.frozen(eq=False)
class TorchLoader:
    """Batches of a map-style dataset; see `from_torch`.

    Attributes:
        dataset: Has `__len__` and `__getitem__`.
        rows: Which items make which batch.
        names: Of the parts of an item, where it is a tuple.
        collate: Makes a batch of items.
        workers: Processes that read it.

    Example:
        >>> from artifact_fn.data import from_torch
        >>> source = from_torch([1.0, 2.0, 4.0], 2, names=("x",), shuffle=False)
        >>> source.steps, source.resumable
        (2, True)
    """

    dataset: Any
    rows: Order
    names: tuple[str, ...] | None
    collate: Collate
    workers: Workers

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self.rows.steps

    @property
    def resumable(self) -> bool:
        """True: an epoch is read from any batch on, without reading those before it."""
        return True

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on.

        Raises:
            DataError: there is no batch `start`, or what is collated is no batch.
        """
        chosen = self.rows.batches(key, epoch, start)
        # A seed for each batch: what a dataset draws for an item is the same wherever the
        # epoch was taken up, and whichever process reads it.
        seeds = seeds_of(key, epoch, _DRAWS, stop=self.rows.steps_of(key))[start:]
        plan = ((seed, some.tolist()) for seed, some in zip(seeds, chosen, strict=True))
        loader = _loader(
            _Fetch(self.dataset, self.collate), self.workers, key, epoch,
            sampler=plan, batch_size=None, collate_fn=_as_it_is,
        )  # fmt: skip
        return _read(loader, self.names)


@attrs.frozen(eq=False)
class TorchStream:
    """Batches of an iterable dataset; see `from_torch`.

    Attributes:
        dataset: Has `__iter__`.
        batch_size: Items a batch, or None where the dataset yields batches.
        drop_last: Whether a short last batch is left out of an epoch of training; evaluation and
            prediction read all rows.
        names: Of the parts of an item, where it is a tuple.
        collate: Makes a batch of items; None for torch's own.
        workers: Processes that read it, each all of it unless the dataset deals it out.

    Example:
        >>> from torch.utils.data import IterableDataset
        >>> from artifact_fn.data import from_torch
        >>> class Few(IterableDataset):
        ...     def __iter__(self):
        ...         return iter([{"x": 1.0}, {"x": 2.0}])
        >>> source = from_torch(Few(), 2)
        >>> [batch["x"].tolist() for batch in source.batches(None, epoch=1)], source.resumable
        ([[1.0, 2.0]], False)
    """

    dataset: Any
    batch_size: int | None
    drop_last: bool
    names: tuple[str, ...] | None
    collate: Collate | None
    workers: Workers

    @property
    def steps(self) -> None:
        """Nobody knows."""
        return

    @property
    def resumable(self) -> bool:
        """False: what was already read cannot be known to come again."""
        return False

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Raises:
            CursorError: `start` is not 0.
            DataError: what is collated is no batch.
        """
        check_epoch(key, epoch)
        check_start(start, None)
        if start:
            raise not_resumable(
                "an iterable dataset",
                start,
                do="go on from the end of an epoch, or use a map-style dataset",
            )
        loader = _loader(
            self.dataset, self.workers, key, epoch,
            batch_size=self.batch_size, drop_last=self.drop_last and key is not None, collate_fn=self.collate,
        )  # fmt: skip
        seed = seed_of(key, epoch, _DRAWS)
        if self.workers.num_workers:
            return _read(loader, self.names)
        return (named(batch, self.names) for batch in isolated(lambda: loader, seed))


@attrs.frozen
class _Fetch:
    """A dataset whose index is a seed and the items of one batch; sent to workers."""

    dataset: Any
    collate: Collate

    def __getitem__(self, at: tuple[int, list[int]]) -> Any:
        seed, rows = at
        # torch's own protocol for datasets that fetch many items at once.
        many = getattr(self.dataset, "__getitems__", None)
        with seeded(seed):
            return self.collate(many(rows) if many else [self.dataset[row] for row in rows])


def _as_it_is(batch: Any) -> Any:
    return batch


def _loader(
    dataset: Any, workers: Workers, key: Tensor | None, epoch: int, **options: Any
) -> "DataLoader[Any]":
    # With a generator of its own: without one, a DataLoader moves the global generator as soon
    # as it is iterated, shuffled or not (pytorch#20749).
    own = torch.Generator().manual_seed(seed_of(key, epoch, _WORKERS))
    return DataLoader(
        dataset, generator=own, num_workers=workers.num_workers, **workers.options, **options
    )


def _read(loader: "DataLoader[Any]", names: Sequence[str] | None) -> Iterator[Batch]:
    iterator = iter(loader)
    try:
        for batch in iterator:
            yield named(batch, names)
    finally:
        # Now, and not when the collector comes: an error's traceback keeps the iterator alive,
        # and workers that are collected together with their queues are waited for 5 s.
        shut_down = getattr(iterator, "_shutdown_workers", None)  # where there are workers
        if shut_down is not None:
            shut_down()


def named(batch: Any, names: Sequence[str] | None) -> Batch:
    """A collated batch as a mapping of columns.

    Raises:
        DataError: it is none, and the names do not make it one.
    """
    if names is None:
        if isinstance(batch, Mapping):
            return batch
        raise DataError(
            "a batch is a mapping of columns, and the dataset's items are not",
            got=f"a {type(batch).__name__}",
            do="name their parts: from_torch(..., names=('x', 'y'))",
        )
    parts = [batch] if isinstance(batch, Tensor) else batch
    if not isinstance(parts, list | tuple) or len(parts) != len(names):
        count = f" of {len(parts)} parts" if isinstance(parts, list | tuple) else ""
        raise DataError(
            "each part of a dataset's items has a name",
            got=f"a {type(batch).__name__}{count} for names={tuple(names)!r}",
            do="give as many names as an item has parts; none where it is a dict",
        )
    return dict(zip(names, parts, strict=True))
