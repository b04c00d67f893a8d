"""Prefetch: a source whose next batches are made, and moved to their device, in a thread."""

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import attrs
import torch
from torch import Tensor

from artifact_fn import tree
from artifact_fn.data.batches import Batches
from artifact_fn.data.cursor import resumable
from artifact_fn.data.place import place
from artifact_fn.data.torch_loader import TorchLoader, TorchStream
from artifact_fn.errors import DataError
from artifact_fn.training.contracts import Batch, Source


@attrs.frozen
class _Raised:
    error: BaseException


_END = object()


@attrs.frozen(eq=False)
class Prefetched:
    """What `prefetched` makes: the same batches, sooner.

    Attributes:
        source: Where they come from.
        device: Where they go, or None to leave them where they are.
        depth: Batches made ahead.

    Example:
        >>> from artifact_fn.data import Loader, Table
        >>> source = Prefetched(Loader(Table({"x": torch.arange(4)}), 2), device=None, depth=2)
        >>> source.steps
        2
    """

    source: Source
    device: torch.device | None
    depth: int

    @property
    def steps(self) -> int | None:
        """Batches an epoch, as the source says."""
        return self.source.steps

    @property
    def resumable(self) -> bool:
        """Whether the source is."""
        return resumable(self.source)

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The source's batches, in the source's order.

        The thread begins with the first batch and ends with the last one, or when the iterator
        is closed or dropped, after the batch it is then making.

        Raises:
            Exception: whatever the source raises, with the traceback of the thread.
        """
        # Here, so that what is wrong with the arguments is said in the caller's own thread.
        batches = self.source.batches(key, epoch, start)
        return self._ahead(batches)

    def _ahead(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        ready: SimpleQueue[Any] = SimpleQueue()
        room = threading.Semaphore(self.depth)
        left = threading.Event()
        device = self.device

        def make() -> None:
            try:
                for batch in _until(batches, room, left):
                    ready.put(batch if device is None else _moved(batch, device))
                ready.put(_END)
            except BaseException as error:  # of every kind: else the reader waits for ever
                ready.put(_Raised(error))

        thread = threading.Thread(target=make, name="artifact_fn prefetch", daemon=True)
        thread.start()
        try:
            while True:
                found = ready.get()
                if found is _END:
                    return
                if isinstance(found, _Raised):
                    try:
                        raise found.error
                    finally:  # a cycle through this frame would keep the source's workers alive
                        del found
                room.release()
                yield found
        finally:
            left.set()
            room.release()  # wakes the thread where it waits for room
            if thread is not threading.current_thread():  # the collector may run in any thread
                thread.join()


def _until(
    batches: Iterator[Batch], room: threading.Semaphore, left: threading.Event
) -> Iterator[Batch]:
    while room.acquire() and not left.is_set():
        try:
            yield next(batches)
        except StopIteration:
            return


def _moved(batch: Batch, device: torch.device) -> Batch:
    if device.type != "cuda":
        return place(batch, device)

    # From pinned memory the copy goes on while this thread makes the next batch; whatever the
    # reader then does on the same stream comes after it.
    def move(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        pinned = leaf.pin_memory() if leaf.device.type == "cpu" else leaf
        return pinned.to(device, non_blocking=True)

    moved: Batch = tree.map(move, batch)
    return moved


def prefetched(
    source: Source, *, device: str | torch.device | None = None, depth: int = 2
) -> Prefetched:
    """A source whose batches are made ahead in a thread, and moved to a device there.

    For sources that wait: for a disk, for workers, for a copy to a GPU. A `Loader` over a table
    on the device waits for nothing, and is faster alone: a compiled step takes many of its
    batches in one call.

    Args:
        source: Of the batches. One that runs code of yours with the global generators swapped
            cannot be read in a thread, and is refused: `from_torch` without workers, and
            `from_batches` that is not `deterministic`.
        device: Where every tensor goes; None to leave them where they are. To a CUDA device they
            go through pinned memory, without waiting.
        depth: Batches made ahead, at least 1; so many are in memory besides the one in use.

    Raises:
        DataError: `source` is no source or cannot be read in a thread, there is no such device,
            or `depth` is below 1.

    Example:
        >>> from artifact_fn.data import Loader, Table
        >>> source = prefetched(Loader(Table({"x": torch.arange(4)}), 2, shuffle=False))
        >>> [batch["x"].tolist() for batch in source.batches(None, epoch=1)]
        [[0, 1], [2, 3]]
    """
    if not isinstance(source, Source):
        raise DataError(
            "a source is prefetched, which has `steps` and `batches(key, epoch, start)`",
            got=f"a {type(source).__name__}",
            do="pass a Loader, or what from_torch, from_npy or from_batches makes",
        )
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise DataError("batches are made ahead", got=f"depth={depth!r}", do="give 1 or more")
    _may_be_threaded(source)
    if device is None:
        return Prefetched(source, None, depth)
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, TypeError, AssertionError) as cause:
        raise DataError(
            "batches are moved to a device that is there",
            got=f"device={device!r}: {str(cause).splitlines()[0]}",
            do="name one of them, e.g. 'cpu' or 'cuda'",
        ) from cause
    return Prefetched(source, found, depth)


def _may_be_threaded(source: Source) -> None:
    """Refuse sources that swap the global generators, which belong to all threads together."""
    match source:
        case TorchLoader() | TorchStream() if source.workers.num_workers == 0:
            do = "read it in a process: from_torch(..., workers=1)"
        case Batches() if not source.deterministic:
            do = "draw from the key given to the factory, and say deterministic=True"
        case _:
            return
    raise DataError(
        "a source is read in a thread only if it leaves the global generators alone",
        got=f"a {type(source).__name__} that may draw from them in this process",
        do=do,
    )
