"""Batches: a source made of a function that gives an epoch's batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import attrs
from torch import Tensor

from artifact_fn.data.cursor import not_resumable
from artifact_fn.data.isolated import isolated, seed_of, unmoved
from artifact_fn.data.order import check_epoch, check_start
from artifact_fn.errors import DataError
from artifact_fn.training.contracts import Batch

Factory = Callable[[Tensor | None, int], Iterable[Batch]]
"""(key int32 [2] or None, epoch) to the batches of that epoch."""


@attrs.frozen(eq=False)
class Batches:
    """What `from_batches` makes: the epochs that a factory gives.

    Attributes:
        factory: Called anew for each reading of an epoch.
        count: Batches an epoch, or None where nobody knows.
        deterministic: Whether the factory's answer is a function of its arguments alone.

    Example:
        >>> source = Batches(lambda key, epoch: iter([]), count=3, deterministic=True)
        >>> source.steps, source.resumable
        (3, True)
    """

    factory: Factory
    count: int | None
    deterministic: bool

    @property
    def steps(self) -> int | None:
        """Batches an epoch, if that was told."""
        return self.count

    @property
    def resumable(self) -> bool:
        """Whether the factory is deterministic; batches already done are made again and skipped."""
        return self.deterministic

    def batches(self, key: Tensor | None, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on.

        Raises:
            CursorError: `start` is not 0 and the factory is not deterministic.
            DataError: the factory gives fewer batches than it should, or what is no batch.
            PurityError: it is deterministic and draws from a global generator for the first one.
        """
        check_epoch(key, epoch)
        check_start(start, self.count)
        if start and not self.deterministic:
            raise not_resumable(
                "a factory that does not promise to be deterministic",
                start,
                do="make its batches a function of (key, epoch) and say deterministic=True, "
                "or go on from the end of an epoch",
            )

        def made() -> Iterable[Batch]:
            batches = self.factory(key, epoch)
            if not isinstance(batches, Iterable):
                raise DataError(
                    "a factory gives an iterable of batches",
                    got=f"a {type(batches).__name__}",
                    do="return a list, or write the factory as a generator",
                )
            return batches

        # A deterministic factory draws from no global generator, so there is none to put back,
        # and it may be read in a thread.
        if self.deterministic:
            return self._checked(unmoved(made, "a factory that is deterministic"), start)
        return self._checked(isolated(made, seed_of(key, epoch)), start)

    def _checked(self, whole: Iterator[Batch], start: int) -> Iterator[Batch]:
        number = 0
        for number, batch in enumerate(islice(whole, self.count), start=1):
            if not isinstance(batch, Mapping):
                raise DataError(
                    "a batch is a mapping of columns",
                    got=f"a {type(batch).__name__}",
                    do="yield {'x': x, 'y': y}",
                )
            if number > start:
                yield batch
        if number < max(start, self.count or 0):
            raise DataError(
                f"an epoch of {self.count or f'at least {start}'} batches ended early",
                got=f"{number} of them",
                do="make a fresh iterable each time the factory is called, and give the steps "
                "that every epoch has",
            )


def from_batches(
    factory: Factory, *, steps: int | None = None, deterministic: bool = False
) -> Batches:
    """A source of any batches: what a function of key and epoch iterates over.

    What the factory draws from the global generators of torch, numpy and Python is drawn from
    the key and epoch instead, and the generators are left as they were, unless it is
    `deterministic`: then it has to draw from its key.

    Args:
        factory: (key int32 [2] or None, epoch) -> iterable of batches, each a dict of tensors.
            A key of None asks for the batches' own order. It is called for every reading, so it
            has to give a fresh iterable each time.
        steps: Batches an epoch; more than these are not read. None where that is not known.
        deterministic: Whether the same key and epoch always give the same batches and nothing
            global is drawn from. Then an epoch can be taken up in its middle, at the cost of
            making the batches before it again, and the source can be prefetched.

    Raises:
        DataError: the factory cannot be called, `steps` is below 1 or `deterministic` no bool.

    Example:
        >>> import torch
        >>> def squares(key, epoch):
        ...     for n in range(3):
        ...         yield {"x": torch.tensor([n]), "y": torch.tensor([n * n])}
        >>> source = from_batches(squares, steps=3, deterministic=True)
        >>> [batch["y"].item() for batch in source.batches(None, epoch=1, start=1)]
        [1, 4]
    """
    if not callable(factory):
        raise DataError(
            "batches come from a function that gives them anew for each epoch",
            got=f"a {type(factory).__name__}",
            do="write from_batches(lambda key, epoch: batches)",
        )
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise DataError(
            "an epoch has at least 1 batch", got=f"steps={steps!r}", do="give 1 or more, or None"
        )
    if not isinstance(deterministic, bool):
        raise DataError(
            "a factory is deterministic or not", got=repr(deterministic), do="say True or False"
        )
    return Batches(factory, steps, deterministic)
