"""Diagnostics: a routine that watches training batches, in the epochs when it is due."""

from collections.abc import Callable, Sequence
from typing import Any

from artifact_fn.errors import MetricError, ObjectiveError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.metrics import Metric
from artifact_fn.training.observed_step import ObservedStep
from artifact_fn.training.routines import Prepared, Routine, Wrap
from artifact_fn.training.sequence import Sequence as Several
from artifact_fn.training.sites import unseen, watch
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import TrainStep
from artifact_fn.training.tap_kinds import ModuleTap, StepTap

_Build = Callable[[Sequence[ObservedStep]], Step[TrainState]]

Tap = ModuleTap | StepTap | Metric[Any, Any]
"""What diagnostics watch: modules, the step as a whole, or a metric of batch and outputs."""


STEPS = 6
"""How many batches of an epoch are watched, where nobody says otherwise."""


def diagnostics(*taps: Tap, every: int | Cadence = 1, steps: int | None = STEPS) -> Routine:
    """What is watched of the training batches themselves, as they are trained on.

    In the epochs when it is due, some steps are taken a second time by a program that tells what
    the taps keep and whose new state is thrown away: the same state, batch and random numbers. The
    state that training goes on with is made as if nobody looked, bit for bit, compiled too.
    Results are those of the split `train`: `train/activations/body.0/std` and so on.

    Args:
        taps: Of modules, of the step (see `taps`), or metrics.
        every: At which epochs: every so many, or any cadence.
        steps: How many batches of an epoch are watched at most, evenly spread; None for every one.
            What is told is of these alone. Compiled, each costs about as much as five steps. Where
            a source does not know how many batches it has, every 16th is watched.

    Raises:
        FoldError: `every` is below 1.
        MetricError: there is no tap, something else than a tap, or `steps` is below 1.

    Example:
        >>> from artifact_fn.training import taps
        >>> diagnostics(taps.gradient_norms(), taps.update_ratios(), every=5).name
        'diagnostics'
    """
    due = at_every(every) if isinstance(every, int) else every
    for tap in taps:
        if not isinstance(tap, ModuleTap | StepTap | Metric):
            raise MetricError(
                "diagnostics watch taps and metrics",
                got=f"{type(tap).__name__}",
                do="pass e.g. diagnostics(taps.activations(model), taps.gradient_norms())",
            )
    if not taps:
        raise MetricError(
            "diagnostics watch something", got="no tap", do="pass e.g. taps.gradient_norms()"
        )

    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise MetricError(
            "diagnostics watch at least 1 batch of an epoch",
            got=f"steps={steps!r}",
            do="give a whole number, or None for every batch",
        )

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        return Prepared(frozenset(), lambda state: ({}, {}))

    def rides(step: Step[TrainState], state: TrainState, batch: Batch) -> Step[TrainState]:
        return observed(step, taps, state, batch)

    return Routine("diagnostics", due, prepare, rides=rides, steps=steps)


def observed(
    step: Step[TrainState], taps: Sequence[Tap], state: TrainState, batch: Batch
) -> Step[TrainState]:
    """The same step, which also tells what the taps keep.

    Args:
        step: A `train_step`, uncompiled, or a `sequence` of such.
        taps: What is watched.
        state: Like those it will be called with; each objective is called once with it.
        batch: Like those it will be called with.

    Raises:
        ObjectiveError: the step was not made by `train_step` or `sequence`, or it clips the
            gradient of each row and modules are to be watched.
        ModelError: no objective calls a module that is watched.
        MetricError: the gradient is to be reduced to what is no sum, or two taps have one name.
    """
    parts, build = _parts(step)
    modules = [tap for tap in taps if isinstance(tap, ModuleTap)]
    metrics = tuple(tap for tap in taps if isinstance(tap, Metric))
    measures = tuple(tap.measure for tap in taps if isinstance(tap, StepTap))
    seen: set[str] = set()
    made = []
    for part in parts:
        if modules and part.clip_rows is not None:
            raise ObjectiveError(
                "modules are not watched in a step that takes each row by itself",
                got=f"clip_rows={part.clip_rows} and the tap {modules[0].name!r}",
                do="watch gradients and updates there, and modules in an evaluation",
            )
        found = watch(part.objective, modules, state, batch, training=True)
        seen.update(site.name for one in found for site in one.sites)
        made.append(ObservedStep(part, found, measures, metrics))
    for tap in modules:
        if not any(name.startswith(f"{tap.name}/") for name in seen):
            raise unseen(tap)
    return build(made)


def _parts(step: Step[TrainState]) -> tuple[list[TrainStep], _Build]:
    if isinstance(step, TrainStep):
        return [step], lambda made: made[0]
    if isinstance(step, Several) and all(isinstance(part, TrainStep) for part in step.steps):
        return list(step.steps), lambda made: Several(tuple(made))  # type: ignore[arg-type]
    raise ObjectiveError(
        "diagnostics ride on a step that train_step has made, or on a sequence of such",
        got=type(step).__name__,
        do="make the step with train_step(objective, optimizer), or measure in it what you need",
    )
