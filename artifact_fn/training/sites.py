"""Sites: where in the models that an objective calls the taps of modules look.

Found by calling the objective once, eagerly, with modules that tell of their outputs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from artifact_fn import random
from artifact_fn.errors import MetricError, ModelError
from artifact_fn.training.contracts import Batch, Objective
from artifact_fn.training.kept import Site
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Statistic, joins
from artifact_fn.training.tap_kinds import ModuleTap
from artifact_fn.training.template import Template
from artifact_fn.training.watched import WATCH, Watched, Watching, overheard, watched


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
                site = Site.of(name, path, part, tap.gradient, kept)
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


def _check_sums(tap: ModuleTap, name: str, kept: Statistic) -> None:
    if tap.gradient and set(joins({name: kept})) != {"sum"}:
        raise MetricError(
            "what is kept of the gradients at activations is made of sums",
            got=f"{name!r}, whose parts are joined by {', '.join(sorted(set(joins({name: kept}))))}",
            do="reduce them to mean, std, norm, zeros, silent or histogram",
        )


def unseen(tap: ModuleTap) -> ModelError:
    """The error of a tap that no objective has shown anything."""
    return ModelError(
        f"the tap {tap.name!r} sees nothing",
        got=f"modules {', '.join(path.replace('.', '/') for path in tap.paths)}, of which the "
        "objective calls none that answers a floating-point tensor",
        do="tap other modules, or those of the model that the objective calls",
    )
