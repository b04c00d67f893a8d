"""Riding: which step is taken in which epoch, where routines ride on the training batches."""

from collections.abc import Sequence
from typing import Any

import attrs

from artifact_fn.training.compiled import eager, like
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.preflight import tried
from artifact_fn.training.routines import Routine
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers


@attrs.frozen(eq=False)
class Riding:
    """The steps of a run, one for each set of routines that can be due together.

    Attributes:
        plain: The step of epochs in which nothing rides.
        routines: Those that ride.
        makes: The scores that each of them adds.
        state: To make the other steps with.
        batch: To make the other steps with.
    """

    plain: Step[TrainState, Any]
    routines: tuple[Routine, ...]
    makes: tuple[frozenset[str], ...]
    state: TrainState = attrs.field(repr=False)
    batch: Batch = attrs.field(repr=False)
    _made: dict[tuple[int, ...], Step[TrainState, Any]] = attrs.field(factory=dict, repr=False)

    def step(self, index: int) -> Step[TrainState, Any]:
        """The step of an epoch; made, and compiled, at the first epoch that needs it."""
        due = tuple(i for i, routine in enumerate(self.routines) if routine.due(index))
        if not due:
            return self.plain
        if due not in self._made:
            step = _ridden(self.plain, [self.routines[i] for i in due], self.state, self.batch)
            self._made[due] = like(self.plain, step)
        return self._made[due]


def riding(
    step: Step[TrainState, Any], routines: Sequence[Routine], state: TrainState, batch: Batch
) -> Riding:
    """Try each routine that rides, and say what it makes.

    Raises:
        ArtifactFnError: one of them does not fit the step, or breaks the contract of a step.
    """
    found = tuple(routine for routine in routines if routine.rides is not None)
    own = answers(eager(step)(state, batch)[1])[0].keys() if found else ()
    makes = []
    for routine in found:
        _, metrics = tried(_ridden(step, [routine], state, batch), state, batch)
        makes.append(frozenset(answers(metrics)[0].keys() - own))
    if len(found) > 1:
        _ridden(step, found, state, batch)
    return Riding(step, found, tuple(makes), state, batch)


def _ridden(
    step: Step[TrainState, Any], routines: Sequence[Routine], state: TrainState, batch: Batch
) -> Step[TrainState, Any]:
    taken = eager(step)
    for routine in routines:
        assert routine.rides is not None
        taken = routine.rides(taken, state, batch)
    return taken
