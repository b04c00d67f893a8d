"""Sequence: several steps on each batch as one step."""

from __future__ import annotations

from typing import Any, Generic

import attrs
from typing_extensions import TypeVar

from artifact_fn.errors import MetricError
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics

B = TypeVar("B", bound=Batch)
B_contra = TypeVar("B_contra", contravariant=True, default=Any)


@attrs.frozen(eq=False)
class Sequence(Generic[B_contra]):
    """Several steps on each batch, one after the other; itself a step.

    Attributes:
        steps: In order.
    """

    steps: tuple[Step[TrainState, B_contra], ...]

    def __call__(self, state: TrainState, batch: B_contra, /) -> tuple[TrainState, Metrics]:
        """The state after all of them, and the metrics of each.

        Raises:
            MetricError: two make the same metric.
        """
        metrics: Metrics = {}
        for part in self.steps:
            state, found = part(state, batch)
            twice = metrics.keys() & found.keys()
            if twice:
                raise MetricError(
                    "two steps of a sequence make the same metric",
                    got=", ".join(sorted(twice)),
                    do="name them: train_step(..., name=...)",
                )
            metrics = {**metrics, **found}
        return state, metrics


def sequence(*steps: Step[TrainState, B]) -> Sequence[B]:
    """Several steps on each batch, one after the other, as one step.

    Each counts as a step of the state. Where two make the same metric, give them names.

    Example:
        >>> up = lambda state, batch: (state + batch, {})
        >>> sequence(up, up)(1, 10)
        (21, {})
    """
    return Sequence(steps)
