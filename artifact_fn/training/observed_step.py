"""ObservedStep: a training step that also tells of what happens inside it."""

# Annotations stay strings: see `step`.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import attrs
import torch
from torch import Tensor

from artifact_fn import random, tree
from artifact_fn.errors import MetricError
from artifact_fn.training.contracts import Aux, Batch, Buffers, Objective, Params
from artifact_fn.training.kept import kept, room, unpacked
from artifact_fn.training.metrics import Metric
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics
from artifact_fn.training.step import TrainStep, prefixed_metrics, taken
from artifact_fn.training.watched import WATCH, Watched, watching

# Like EVALUATION and ORDER: a purpose of its own.
TAPS = 0x746170

_ROOM = "artifact_fn: room "


class Look(NamedTuple):
    """What a tap may look at besides modules: one step of training.

    Attributes:
        before: The state before the step.
        after: The state after it.
        grads: Of the trained parameters, before any clipping.
    """

    before: TrainState
    after: TrainState
    grads: Params


@attrs.frozen(eq=False)
class ObservedStep:
    """A train step, and what is watched in it; itself a step.

    Not a `TrainStep`: what is made of one (such as flat storage) would lose the taps.

    Attributes:
        step: What is done.
        modules: Modules that are watched, one value a model.
        measures: Of the step as a whole.
        metrics: Of the outputs.
    """

    step: TrainStep
    modules: tuple[Watched, ...]
    measures: tuple[Any, ...]
    metrics: tuple[Metric, ...]

    def __call__(self, state: TrainState, batch: Batch, /) -> tuple[TrainState, Metrics]:
        """The next state, and the metrics of the step and of what is watched."""
        device = state.key.device
        rooms = {
            f"{_ROOM}{i} {path}": torch.zeros(size, dtype=torch.float64, device=device)
            for i, part in enumerate(self.modules)
            for path, size in room(part.sites).items()
        }
        objective = seeing(self.step.objective, self.modules, self.metrics)
        found = taken(self.step, state, batch, objective=objective, rooms=rooms)
        told: Metrics = {}
        for i, part in enumerate(self.modules):
            told = {**told, **unpacked(part.sites, _rooms(found.rooms, i))}
        look = Look(state, found.state, found.grads)
        for measure in self.measures:
            told = {**told, **measure(look)}
        return found.state, {**found.metrics, **prefixed_metrics(self.step, told)}


def seeing(
    objective: Objective, modules: Sequence[Watched], metrics: Sequence[Metric] = ()
) -> Objective:
    """The same objective, which also measures modules and outputs.

    Args:
        objective: It hands its parameters on to the models it calls.
        modules: What is watched.
        metrics: Measured on the outputs, besides the objective's own.
    """
    draws = any(site.reducer.draws for part in modules for site in part.sites)

    def objective_seen(
        params: Params, buffers: Buffers, batch: Batch, key: Tensor, training: bool, /
    ) -> tuple[Tensor, Aux]:
        drawn = random.fold_in(key, TAPS) if draws else key
        own: dict[str, Any] = {
            name: leaf for name, leaf in params.items() if not name.startswith(_ROOM)
        }
        looks = tuple(watching(part, _rooms(params, i), drawn) for i, part in enumerate(modules))
        if looks:
            own[WATCH] = looks
        loss, aux = objective(own, buffers, batch, key, training)
        found = {metric.name: metric.measure(aux.outputs, batch) for metric in metrics}
        for look in looks:
            found.update(kept(look.watched.sites, look.tensors))
        check_names(aux.metrics, found)
        return loss, tree.replace(aux, metrics={**aux.metrics, **found})

    return objective_seen


def _rooms(params: Params, model: int) -> Params:
    """What is handed to the objective to be derived by, by the paths of one model's modules."""
    own = f"{_ROOM}{model} "
    return {name.removeprefix(own): leaf for name, leaf in params.items() if name.startswith(own)}


def check_names(metrics: Metrics, more: Metrics) -> None:
    """Refuse two metrics of one name.

    Raises:
        MetricError: there are.
    """
    twice = sorted(metrics.keys() & more.keys())
    if twice:
        raise MetricError(
            f"two metrics would be called {twice[0]!r}",
            got=f"{', '.join(twice)} from an objective and from what watches it",
            do="give the tap or the metric a name of its own",
        )
