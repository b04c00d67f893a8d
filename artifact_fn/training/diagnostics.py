"""Diagnostics: a routine that rides on the steps of training, in the epochs when it is due.

In the other epochs the step is the one that there would be without it: the same compiled program.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from artifact_fn import random
from artifact_fn.errors import MetricError, ModelError, ObjectiveError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.contracts import Batch, Objective, Step
from artifact_fn.training.metrics import Metric
from artifact_fn.training.routines import Prepared, Routine, Wrap
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Statistic, joins
from artifact_fn.training.step import Sequence as Several
from artifact_fn.training.step import TrainStep
from artifact_fn.training.tapped import Tapped
from artifact_fn.training.taps import ModuleTap, StepTap
from artifact_fn.training.template import Template
from artifact_fn.training.watched import WATCH, Site, Watched, Watching, overheard, watched

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
        ObjectiveError: the step was not made by `train_step` or `sequence`.
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
            raise _unseen(tap)
    return build(made)


def watch(
    objective: Objective,
    taps: Sequence[ModuleTap],
    state: TrainState,
    batch: Batch,
    *,
    training: bool,
) -> tuple[Watched, ...]:
    """The watched modules of an objective: those of the taps that it calls.

    Raises:
        MetricError: the gradient is to be reduced to what is no sum, or two results have one name.
    """
    templates = {id(tap.template): tap.template for tap in taps}
    outputs = _outputs(objective, taps, templates, state, batch, training=training)
    sites: dict[int, list[Site]] = {}
    names: set[str] = set()
    for tap in taps:
        for path in tap.paths:
            if (id(tap.template), path) not in outputs:
                continue
            example = outputs[id(tap.template), path]
            for part in tap.reduce:
                kept = part.reduce(example, state.key)
                own = [tap.name, path or "model", part.name]
                name = "/".join(word for word in own if word)
                if name in names:
                    raise MetricError(
                        f"two taps would answer {name!r}",
                        got=f"taps {', '.join(tap.name for tap in taps)}",
                        do="give each a name of its own: activations(..., name=...)",
                    )
                names.add(name)
                _check_sums(tap, name, kept)
                site = Site(name, path, part, tap.gradient, kept)
                sites.setdefault(id(tap.template), []).append(site)
    return tuple(watched(templates[at], found) for at, found in sites.items())


def _outputs(
    objective: Objective,
    taps: Sequence[ModuleTap],
    templates: Mapping[int, Template],
    state: TrainState,
    batch: Batch,
    *,
    training: bool,
) -> dict[tuple[int, str], torch.Tensor]:
    """One output of each module that the taps name and the objective calls."""
    found: dict[tuple[int, str], torch.Tensor] = {}
    looks = []
    for at, template in templates.items():
        paths = {path for tap in taps if tap.template is template for path in tap.paths}

        def seen(path: str, output: torch.Tensor, at: int = at) -> None:
            found[at, path] = output.detach().clone()

        looks.append(Watching(overheard(template, sorted(paths), seen), {}))
    if looks:
        given: Any = {**state.params, WATCH: tuple(looks)}
        key = random.fold_in(state.key, state.step)
        with torch.no_grad():
            objective(given, state.buffers, batch, key, training)
    return found


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


def _check_sums(tap: ModuleTap, name: str, kept: Statistic) -> None:
    if tap.gradient and set(joins({name: kept})) != {"sum"}:
        raise MetricError(
            "what is kept of the gradients at activations is made of sums",
            got=f"{name!r}, whose parts are joined by {', '.join(sorted(set(joins({name: kept}))))}",
            do="reduce them to mean, std, norm, zeros, silent or histogram",
        )


def _unseen(tap: ModuleTap) -> ModelError:
    return ModelError(
        f"the tap {tap.name!r} sees nothing",
        got=f"modules {', '.join(path.replace('.', '/') for path in tap.paths)}, of which the "
        "objective calls none that answers a floating-point tensor",
        do="tap other modules, or those of the model that the objective calls",
    )


__all__ = ["Tap", "diagnostics", "tapped", "watch"]
