"""Observers: what looks at some batches of an epoch, beside the steps that train on them.

An observer is given the state and the batch that a step is given, and answers statistics. The next
state is made by the step alone, by the same program as if nobody looked; so nothing that is
watched can change a bit of what is trained.
"""

from collections.abc import Sequence

import attrs

from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics

STRIDE = 16
"""Every how many batches is looked where nobody knows how many there will be."""


@attrs.frozen(eq=False)
class Observer:
    """A look at every so many batches, counted from the epoch's start.

    Attributes:
        step: Answers the state as it was given, and what is seen.
        stride: Every how many batches.
    """

    step: Step[TrainState]
    stride: int


def stride(steps: int | None, of: int | None) -> int:
    """Every how many batches is looked, so that it is at most so often in an epoch.

    Args:
        steps: How often; None for every batch.
        of: Batches of an epoch; None where that is not known.

    Example:
        >>> stride(8, of=125), stride(8, of=6), stride(None, of=125)
        (16, 1, 1)
    """
    if steps is None:
        return 1
    return STRIDE if of is None else max(1, -(-of // steps))


def seen(observers: Sequence[Observer], at: int, state: TrainState, batch: Batch) -> list[Metrics]:
    """What is seen of one batch, if anybody looks at it.

    Args:
        observers: Any.
        at: Batches of the epoch before this one.
        state: Before the step.
        batch: Of the step.
    """
    return [each.step(state, batch)[1] for each in observers if at % each.stride == 0]


def looks(observers: Sequence[Observer], stop: int) -> set[int]:
    """The batches of an epoch, before `stop`, at which somebody looks."""
    return {at for each in observers for at in range(0, stop, each.stride)}
