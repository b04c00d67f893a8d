"""Cursor: whether an epoch of a source can be taken up in its middle."""

from typing import Protocol, runtime_checkable

from artifact_fn.errors import CursorError
from artifact_fn.training.contracts import Source


@runtime_checkable
class Resumable(Protocol):
    """What says whether it can be taken up in the middle of an epoch."""

    @property
    def resumable(self) -> bool:
        """Whether `batches(key, epoch, start)` goes on exactly as the whole epoch would have."""
        ...


def resumable(source: Source) -> bool:
    """Whether an epoch can be taken up in its middle, bit for bit.

    Every source of this package says so; one that does not is believed to keep the contract.

    Example:
        >>> from artifact_fn.data import from_batches
        >>> resumable(from_batches(lambda key, epoch: iter([])))
        False
    """
    return source.resumable if isinstance(source, Resumable) else True


def not_resumable(what: str, start: int, *, do: str) -> CursorError:
    """That a source was asked for the middle of an epoch and cannot give it."""
    return CursorError(
        f"{what} cannot be taken up in the middle of an epoch", got=f"start={start}", do=do
    )
