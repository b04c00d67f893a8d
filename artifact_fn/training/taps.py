"""Taps: what is watched inside a step of training, as values.

A tap of modules looks at their outputs, or at the gradients of the loss at these; a tap of the step
looks at gradients and parameters. Each is reduced where it lies, on the device, and leaves the
step as statistics that add. `diagnostics` and, of modules' outputs, `evaluation` take them.
"""

from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor

from artifact_fn.training import reducers
from artifact_fn.training.contracts import Model, Params
from artifact_fn.training.observed_step import Look
from artifact_fn.training.reducers import Reducer
from artifact_fn.training.state import selected_params
from artifact_fn.training.statistics import Metrics, Statistic, of_one_step
from artifact_fn.training.tap_kinds import ModuleTap, StepTap, check_reducers, of_modules

__all__ = [
    "ModuleTap",
    "StepTap",
    "activation_gradients",
    "activations",
    "dead_units",
    "gradient_norms",
    "gradients",
    "update_ratios",
]


DISTRIBUTION = (reducers.mean(), reducers.std(), reducers.zeros(), reducers.histogram())
"""What is kept of each layer where nothing else is asked for."""


def activations(
    model: Model,
    pattern: str = "*",
    reduce: Sequence[Reducer] = DISTRIBUTION,
    *,
    name: str = "activations",
) -> ModuleTap:
    """What modules answer, each by itself.

    Of a module that answers a tuple, the first tensor. One that is called several times in a step
    is counted each time. Modules that the model never calls, or that answer no floating-point
    tensor, are passed over.

    Args:
        model: Made by `functional`; the one that the objective calls.
        pattern: Of paths, `/` standing for the dots. `*` alone, and any pattern with a `*`, is for
            modules without modules inside; a path is for the module that is there.
        reduce: What is kept of each.
        name: Results are called `name/path/reducer`.

    Raises:
        ModelError: nothing matches, or the model is made of functions.
        MetricError: there is no reducer, or two of them have one name.

    Example:
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()))
        >>> activations(model).paths, activations(model, "1").paths
        (('0', '1'), ('1',))
    """
    return of_modules(model, pattern, reduce, name, gradient=False)


def activation_gradients(
    model: Model,
    pattern: str = "*",
    reduce: Sequence[Reducer] = DISTRIBUTION,
    *,
    name: str = "activation_gradients",
) -> ModuleTap:
    """The gradients of the loss at what modules answer.

    Args:
        model: As in `activations`.
        pattern: As in `activations`.
        reduce: Of those whose statistics are sums: not `sample` and `largest`.
        name: Results are called `name/path/reducer`.

    Raises:
        ModelError, MetricError: as `activations`; or a statistic is not made of sums.

    Example:
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()))
        >>> activation_gradients(model).paths
        ('0', '1')
    """
    return of_modules(model, pattern, reduce, name, gradient=True)


def dead_units(
    model: Model,
    pattern: str = "*",
    *,
    dim: int = 1,
    threshold: float = 0.0,
    name: str = "dead_units",
) -> ModuleTap:
    """The share of units of each module that answered nothing but zeros in all that was watched.

    Args:
        model: As in `activations`.
        pattern: As in `activations`.
        dim: Of the units: 1 is the features of [B, D] and the channels of [B, C, H, W].
        threshold: A magnitude up to which an answer counts as zero.
        name: Results are called `name/path`.

    Raises:
        ModelError, MetricError: as `activations`.

    Example:
        >>> from artifact_fn.training.functional import functional
        >>> model = functional(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()))
        >>> dead_units(model, "1").name
        'dead_units'
    """
    silent = attrs.evolve(reducers.silent(dim, threshold=threshold), name="")
    return of_modules(model, pattern, [silent], name, gradient=False)


def gradients(
    pattern: str | None = None,
    reduce: Sequence[Reducer] = (*DISTRIBUTION, reducers.norm()),
    *,
    name: str = "gradients",
) -> StepTap:
    """The gradients of parameters, each by itself, before any clipping.

    Args:
        pattern: Of paths, `/` standing for the dots: `"head/*"`; None for all.
        reduce: What is kept of each.
        name: Results are called `name/path/reducer`.

    Raises:
        MetricError: there is no reducer, or two of them have one name.

    Example:
        >>> from artifact_fn.training.reducers import norm
        >>> gradients("head/*", reduce=[norm()]).name
        'gradients'
    """
    check_reducers(reduce)

    def measure(look: Look) -> Metrics:
        found: dict[str, Statistic] = {}
        for path, grad in selected_params(look.grads, pattern).items():
            for part in reduce:
                found[f"{name}/{path}/{part.name}"] = part.reduce(grad.detach(), look.before.key)
        return found

    return StepTap(name, measure)


def gradient_norms(pattern: str | None = None, *, name: str = "gradient_norm") -> StepTap:
    """The 2-norm of the gradient of each layer's parameters, as a mean over steps.

    Args:
        pattern: Of the parameters' paths, as in `gradients`.
        name: Results are called `name/layer`.

    Example:
        >>> gradient_norms().name
        'gradient_norm'
    """

    def measure(look: Look) -> Metrics:
        grads = _by_layer(selected_params(look.grads, pattern))
        return {f"{name}/{layer}": of_one_step(_norm(parts)) for layer, parts in grads.items()}

    return StepTap(name, measure)


def update_ratios(pattern: str | None = None, *, name: str = "update_ratio") -> StepTap:
    """How far a step moves each layer: the 2-norm of the move by that of the parameters.

    A mean over steps; of weights that are all zero NaN or infinite. About 1e-3 is usual.

    Args:
        pattern: Of the parameters' paths, as in `gradients`.
        name: Results are called `name/layer`.

    Example:
        >>> update_ratios("head/*").name
        'update_ratio'
    """

    def measure(look: Look) -> Metrics:
        found = {}
        for layer, before in _by_layer(
            {path: look.before.params[path] for path in selected_params(look.grads, pattern)}
        ).items():
            moves = {path: look.after.params[path] - leaf for path, leaf in before.items()}
            found[f"{name}/{layer}"] = of_one_step(_norm(moves) / _norm(before))
        return found

    return StepTap(name, measure)


def _by_layer(params: Params) -> Mapping[str, Params]:
    """Parameters by the path of the module that holds them."""
    found: dict[str, Params] = {}
    for path, leaf in params.items():
        layer, _, own = path.rpartition(".")
        found.setdefault(layer or own, {})[path] = leaf
    return found


def _norm(parts: Params) -> Tensor:
    return torch.stack([leaf.detach().square().sum() for leaf in parts.values()]).sum().sqrt()
