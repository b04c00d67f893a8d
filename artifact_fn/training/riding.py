"""Riding: which observers look at the training batches in which epoch."""

from collections.abc import Sequence
from typing import Any

import attrs

from artifact_fn.errors import MetricError
from artifact_fn.training.compiled import eager, like
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.observers import Observer, stride
from artifact_fn.training.preflight import tried
from artifact_fn.training.routines import Routine
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics, answers


@attrs.frozen(eq=False)
class Riding:
    """The routines of a run that ride on its training batches.

    Attributes:
        routines: They.
        observers: Of each.
        makes: The scores that each of them adds.
    """

    routines: tuple[Routine, ...]
    observers: tuple[Observer, ...]
    makes: tuple[frozenset[str], ...]

    def due(self, index: int) -> tuple[Observer, ...]:
        """Those who look in an epoch."""
        both = zip(self.routines, self.observers, strict=True)
        return tuple(observer for routine, observer in both if routine.due(index))


def riding(
    step: Step[TrainState, Any],
    routines: Sequence[Routine],
    state: TrainState,
    batch: Batch,
    steps: int | None,
) -> Riding:
    """Try each routine that rides, and say what it makes.

    Args:
        step: Of training; observers are compiled as it is.
        routines: Of the run.
        state: Like those that will be looked at.
        batch: Like those that will be looked at.
        steps: Batches of an epoch; None where that is not known.

    Raises:
        ArtifactFnError: one of them does not fit the step, or breaks the contract of a step.
        MetricError: two of them keep something under one name.
    """
    found = tuple(routine for routine in routines if routine.rides is not None)
    own = frozenset(eager(step)(state, batch)[1]) if found else frozenset()
    observers, makes, taken = [], [], set(own)
    for routine in found:
        looking = _looking(eager(step), routine, state, batch, own)
        _, metrics = tried(looking, state, batch)
        twice = sorted(taken & metrics.keys())
        if twice:
            raise MetricError(
                f"two routines would keep {twice[0]!r} of the training batches",
                got=f"{', '.join(twice)} twice",
                do="give the taps names of their own: activations(..., name=...)",
            )
        taken |= metrics.keys()
        observers.append(Observer(like(step, looking), stride(routine.steps, steps)))
        makes.append(frozenset(answers(metrics)[0]))
    return Riding(found, tuple(observers), tuple(makes))


def _looking(
    step: Step[TrainState, Any],
    routine: Routine,
    state: TrainState,
    batch: Batch,
    own: frozenset[str],
) -> Step[TrainState, Any]:
    """What a routine sees besides what the step itself tells; the state is left as it is."""
    assert routine.rides is not None
    whole = routine.rides(step, state, batch)

    def looking(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        _, told = whole(state, batch)
        return state, {name: part for name, part in told.items() if name not in own}

    return looking
