"""Diagnostics: a routine that rides on the steps of training, in the epochs when it is due.

In the other epochs the step is the one that there would be without it: the same compiled program.
"""

from collections.abc import Callable, Sequence
from typing import Any

from artifact_fn.errors import MetricError, ObjectiveError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.contracts import Batch, Step
from artifact_fn.training.metrics import Metric
from artifact_fn.training.routines import Prepared, Routine, Wrap
from artifact_fn.training.sequence import Sequence as Several
from artifact_fn.training.sites import unseen, watch
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import TrainStep
from artifact_fn.training.tap import ModuleTap, StepTap
from artifact_fn.training.tapped import Tapped
from artifact_fn.training.watched import Watched, watched

_Build = Callable[[Sequence[Tapped]], Step[TrainState]]

Tap = ModuleTap | StepTap | Metric[Any, Any]
"""What diagnostics watch: modules, the step as a whole, or a metric of batch and outputs."""


def diagnostics(*taps: Tap, every: int | Cadence = 1) -> Routine:
    """What is watched of the training batches themselves, inside the step.

    Results are those of the split `train`: `train/activations/body.0/std` and so on. A compiled
    run has one program for the epochs when the routine is due, compiled at the first of them, and
    one for the others.

    Args:
        taps: Of modules, of the step (see `taps`), or metrics.
        every: At which epochs: every so many, or any cadence.

    Raises:
        FoldError: `every` is below 1.
        MetricError: there is no tap, or something else than a tap.

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

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        return Prepared(frozenset(), lambda state: ({}, {}))

    def rides(step: Step[TrainState], state: TrainState, batch: Batch) -> Step[TrainState]:
        return tapped(step, taps, state, batch)

    return Routine("diagnostics", due, prepare, rides=rides)


def tapped(
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
        inner = part.step if isinstance(part, Tapped) else part
        if modules and inner.clip_rows is not None:
            raise ObjectiveError(
                "modules are not watched in a step that takes each row by itself",
                got=f"clip_rows={inner.clip_rows} and the tap {modules[0].name!r}",
                do="watch gradients and updates there, and modules in an evaluation",
            )
        found = watch(inner.objective, modules, state, batch, training=True)
        seen.update(site.name for one in found for site in one.sites)
        before = part if isinstance(part, Tapped) else Tapped(inner, (), (), ())
        made.append(
            Tapped(
                inner,
                _joined(before.modules, found),
                (*before.measures, *measures),
                (*before.metrics, *metrics),
            )
        )
    for tap in modules:
        if not any(name.startswith(f"{tap.name}/") for name in seen):
            raise unseen(tap)
    return build(made)


def _parts(step: Step[TrainState]) -> tuple[list[TrainStep | Tapped], _Build]:
    if isinstance(step, TrainStep | Tapped):
        return [step], lambda made: made[0]
    if isinstance(step, Several) and all(isinstance(p, TrainStep | Tapped) for p in step.steps):
        return list(step.steps), lambda made: Several(tuple(made))  # type: ignore[arg-type]
    raise ObjectiveError(
        "diagnostics ride on a step that train_step has made, or on a sequence of such",
        got=type(step).__name__,
        do="make the step with train_step(objective, optimizer), or measure in it what you need",
    )


def _joined(before: tuple[Watched, ...], found: tuple[Watched, ...]) -> tuple[Watched, ...]:
    """Watched modules of two routines: one for each model."""
    whole = {id(one.template): one for one in before}
    for one in found:
        old = whole.get(id(one.template))
        sites = one.sites if old is None else (*old.sites, *one.sites)
        names = [site.name for site in sites]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise MetricError(
                f"two taps would answer {min(twice)!r}",
                got="diagnostics that are due in the same epoch",
                do="give each a name of its own: activations(..., name=...)",
            )
        whole[id(one.template)] = one if old is None else watched(one.template, sites)
    return tuple(whole.values())
