"""From torch: a source of what people already have, a Dataset or a DataLoader."""

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from artifact_fn.data.order import Order, check_size, check_switch
from artifact_fn.data.torch_loader import Collate, TorchLoader, TorchStream, Workers
from artifact_fn.errors import DataError


def from_torch(
    data: Any,
    batch_size: int | None = None,
    *,
    names: Sequence[str] | None = None,
    shuffle: bool | None = None,
    drop_last: bool | None = None,
    collate: Collate | None = None,
    workers: int | None = None,
    context: Any = None,
    worker_init: Callable[[int], None] | None = None,
    prefetch_factor: int | None = None,
    timeout: float | None = None,
) -> TorchLoader | TorchStream:
    """A source of a torch `Dataset`, or of a `DataLoader`, whose settings are then taken over.

    The order of a map-style dataset is a function of key and epoch, the one that a `Loader` over
    as many rows has; so any epoch can be read again, or from any batch on, whatever sampler
    state torch had. What a dataset or `collate` draws from the global generators of torch, numpy
    and Python comes from the key, the epoch and the batch's index instead, with any number of
    workers the same numbers; the generators themselves are left as they were.

    An iterable dataset is read from its beginning, each epoch with generators seeded from the
    key and the epoch. It cannot be taken up in the middle of an epoch.

    Args:
        data: A map-style or iterable dataset, or a DataLoader of one. Of a DataLoader the
            dataset, batch size, `drop_last`, `collate_fn`, whether it shuffles, and the worker
            settings are taken; `persistent_workers`, `pin_memory` and its generator are not (see
            `prefetched` for pinning).
        batch_size: Items a batch, at least 1. None to take the DataLoader's, or where an
            iterable dataset yields whole batches.
        names: Of an item's parts, where items are tuples (or single tensors): ("x", "y").
        shuffle: Whether items come in a new random order each epoch; None for what the
            DataLoader does, else True. Of no use for iterable datasets.
        drop_last: Whether a short last batch is left out of an epoch of training; None for what the DataLoader does,
            else False.
        collate: Makes a batch of a list of items; None for the DataLoader's or torch's own.
        workers: Processes that read; None for what the DataLoader has, else 0.
        context: How they are started: "fork", "spawn" or "forkserver".
        worker_init: Called in each worker with its index.
        prefetch_factor: Batches a worker reads ahead; torch's default is 2.
        timeout: Seconds to wait for a worker's batch; 0 for ever.

    Raises:
        DataError: there is no batch size, a sampler whose order nobody can repeat, a dataset
            without length, or as in `Loader`.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> data = TensorDataset(torch.arange(5.0), torch.arange(5))
        >>> source = from_torch(data, 2, names=("x", "y"), shuffle=False)
        >>> [batch["y"].tolist() for batch in source.batches(None, epoch=1)]
        [[0, 1], [2, 3], [4]]
    """
    given = {
        "multiprocessing_context": context,
        "worker_init_fn": worker_init,
        "prefetch_factor": prefetch_factor,
        "timeout": timeout,
    }
    if isinstance(data, DataLoader):
        size, drop, shuffles = _settings(data)
        batch_size = size if batch_size is None else batch_size
        drop_last = drop if drop_last is None else drop_last
        shuffle = shuffles if shuffle is None else shuffle
        collate = data.collate_fn if collate is None else collate
        workers = data.num_workers if workers is None else workers
        theirs = {name: getattr(data, name) for name in given}
        given = {name: theirs[name] if value is None else value for name, value in given.items()}
        data = data.dataset
    options = {name: value for name, value in given.items() if value is not None}
    count = 0 if workers is None else workers
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise DataError("workers are counted", got=f"workers={count!r}", do="give 0 or more")
    if count == 0:
        options = {}  # a DataLoader refuses worker settings without workers
    parts = _names(names)
    drops = False if drop_last is None else drop_last
    check_switch("drop_last", drops)
    if isinstance(data, IterableDataset):
        if shuffle:
            raise DataError(
                "an iterable dataset has an order of its own",
                got="shuffle=True",
                do="shuffle within the dataset, or use a map-style one",
            )
        if batch_size is not None:
            check_size(batch_size)
        return TorchStream(data, batch_size, drops, parts, collate, Workers(count, options))
    if batch_size is None:
        raise DataError(
            "a map-style dataset is read in batches",
            got="batch_size=None",
            do="give one, or a DataLoader that has one",
        )
    order = Order(
        _length(data),
        batch_size,
        shuffle=True if shuffle is None else shuffle,
        drop_last=drops,
    )
    return TorchLoader(data, order, parts, collate or default_collate, Workers(count, options))


def _names(names: Any) -> tuple[str, ...] | None:
    if names is None:
        return None
    found = tuple(names)
    if isinstance(names, str) or not all(isinstance(n, str) for n in found) or not found:
        raise DataError(
            "the parts of an item have names", got=f"names={names!r}", do="write names=('x', 'y')"
        )
    if len(set(found)) < len(found):
        raise DataError(
            "each part of an item has a name of its own", got=f"names={found!r}", do="rename one"
        )
    return found


def _length(data: Any) -> int:
    try:
        rows = len(data)
        data.__getitem__  # noqa: B018
    except (TypeError, AttributeError, NotImplementedError) as cause:
        raise DataError(
            "a map-style dataset has `__len__` and `__getitem__`",
            got=f"a {type(data).__name__}",
            do="write both, or inherit from torch.utils.data.IterableDataset",
        ) from cause
    if rows < 1:
        raise DataError("a dataset has rows", got=f"{rows} rows", do="give at least one")
    return rows


def _settings(loader: "DataLoader[Any]") -> tuple[int | None, bool, bool | None]:
    """Batch size, drop_last and whether it shuffles, which an iterable dataset cannot say."""
    if isinstance(loader.dataset, IterableDataset):
        return loader.batch_size, loader.drop_last, None
    batcher: Any = loader.batch_sampler
    if batcher is None:
        return None, False, False
    sampler: Any = batcher
    # Exactly these classes: what inherits from them may have another order.
    if type(batcher) is BatchSampler:
        sampler = batcher.sampler
        if type(sampler) is SequentialSampler:
            return batcher.batch_size, batcher.drop_last, False
        random = type(sampler) is RandomSampler and not sampler.replacement
        if random and sampler.num_samples == _length(loader.dataset):
            return batcher.batch_size, batcher.drop_last, True
    raise DataError(
        "the order of an epoch is a function of key and epoch, and a sampler's is not",
        got=f"a {type(sampler).__name__}",
        do="pass the dataset and shuffle=, take rows with torch.utils.data.Subset, or draw the "
        "rows from the key with from_batches",
    )
