"""Stream: the epochs of a run, as a value that can be unfolded again and again."""

import contextlib
from collections.abc import Callable, Iterator
from difflib import get_close_matches

import attrs

from artifact_fn.errors import ScoreError
from artifact_fn.folds.epoch import SECONDS, Epoch
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics

TRAIN = "train"
"""The split under which a training step's own metrics are found."""


@attrs.frozen
class Advance:
    """An epoch has got as far as a cut. For progress displays; folds do not see it.

    Attributes:
        epoch: Its index, from 1.
        cursor: Batches of it that are done.
        steps: Batches an epoch, or None where that is not known.
        state: After them. It is never changed afterwards.
        metrics: Of the epoch's cuts so far, in order; with the state all that is needed to go
            on from here.

    Example:
        >>> advance = Advance(epoch=1, cursor=2, steps=4)
        >>> advance.cursor / advance.steps
        0.5
    """

    epoch: int
    cursor: int
    steps: int | None
    state: TrainState | None = attrs.field(default=None, eq=False, repr=False)
    metrics: tuple[Metrics, ...] = attrs.field(default=(), eq=False, repr=False)


Event = Advance | Epoch[TrainState]
"""What the events of a stream tell of: a cut of an epoch, or its end."""


@attrs.frozen(eq=False)
class Stream:
    """The epochs of a run that nobody has run yet. Each iteration unfolds them anew.

    Attributes:
        events: Unfolds every event: the advances within an epoch, then the epoch.
        makes: The scores that its epochs may hold.

    Example:
        >>> stream = Stream(lambda: (Epoch(i, None) for i in (1, 2)), frozenset({"train/loss"}))
        >>> [epoch.index for epoch in stream]
        [1, 2]
    """

    events: Callable[[], Iterator[Event]] = attrs.field(repr=False)
    makes: frozenset[str]

    def __iter__(self) -> Iterator[Epoch[TrainState]]:
        """The epochs, without end: whoever reads them decides when to stop."""
        with contextlib.closing(self.events()) as events:  # type: ignore[type-var]
            yield from (event for event in events if isinstance(event, Epoch))


def check_reads(reads: frozenset[str], makes: frozenset[str]) -> None:
    """Refuse to read a score that nothing makes.

    Raises:
        ScoreError: it names the score, and those that are made.
    """
    missing = sorted(reads - makes)
    if missing == [SECONDS]:
        raise ScoreError(
            "a fold reads the time, and the stream has no clock",
            got="epochs without a clock",
            do="pass epochs(..., clock=time.perf_counter)",
        )
    if missing:
        name = next(name for name in missing if name != SECONDS)
        split = name.split("/")[0]
        near = get_close_matches(name, [made for made in makes if made.split("/")[0] == split], n=1)
        other = f"add a routine that makes it, such as evaluation({split!r}, ...), or read another"
        raise ScoreError(
            f"nothing makes the score {name!r}",
            got=f"a fold that reads it; made are {', '.join(sorted(makes - {SECONDS}))}",
            do=f"read {near[0]!r} instead" if near else other,
        )
