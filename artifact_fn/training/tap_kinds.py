"""Kinds of taps: of modules and of a step as a whole, as values."""

from collections.abc import Callable, Sequence

import attrs

from artifact_fn.errors import MetricError, ModelError
from artifact_fn.training.contracts import Model
from artifact_fn.training.observed_step import Look
from artifact_fn.training.reducers import Reducer
from artifact_fn.training.state import path_matches
from artifact_fn.training.statistics import Metrics
from artifact_fn.training.template import Template


@attrs.frozen(eq=False)
class ModuleTap:
    """Looks at the outputs of modules, or at the gradients at them.

    Attributes:
        name: Its results are called `name/path/reducer`, or `name/path` of a reducer without a
            name.
        template: Of the model.
        paths: Of the modules.
        reduce: What is kept.
        gradient: Whether of the gradients.

    Example:
        >>> import torch
        >>> from artifact_fn.training.functional import functional
        >>> from artifact_fn.training.taps import activations
        >>> tap = activations(functional(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2))))
        >>> tap.name, tap.paths
        ('activations', ('0',))
    """

    name: str
    template: Template = attrs.field(repr=False)
    paths: tuple[str, ...]
    reduce: tuple[Reducer, ...]
    gradient: bool


@attrs.frozen(eq=False)
class StepTap:
    """Looks at a step of training as a whole.

    Attributes:
        name: For messages.
        measure: A step to statistics by name; pure and traceable.

    Example:
        >>> from artifact_fn.training.statistics import Sum
        >>> steps = StepTap("steps", lambda look: {"steps": Sum(look.before.step)})
        >>> steps.name
        'steps'
    """

    name: str
    measure: Callable[[Look], Metrics]


def of_modules(
    model: Model, pattern: str, reduce: Sequence[Reducer], name: str, *, gradient: bool
) -> ModuleTap:
    """The tap of the modules whose paths match a pattern; see `taps.activations`.

    Raises:
        ModelError: nothing matches, or the model is made of functions.
        MetricError: see `check_reducers`.
    """
    check_reducers(reduce)
    if not isinstance(model, Model) or not isinstance(model.template, Template):
        raise ModelError(
            "taps look at the modules of a model",
            got=f"a {type(model).__name__} that no module was given for",
            do="pass the model that functional(...) has made",
        )
    modules = dict(model.template.evaluation.module.get_submodule("module").named_modules())
    leaves = {path for path, module in modules.items() if not list(module.children())}
    candidates = leaves if "*" in pattern else set(modules)
    chosen = [
        path for path in modules if path in candidates and path_matches(_slashed(path), pattern)
    ]
    if not chosen:
        raise ModelError(
            f"no module matches {pattern!r}",
            got=f"modules {', '.join(map(_slashed, modules))}",
            do="give a pattern of some of them, e.g. '*' or 'body/*'",
        )
    return ModuleTap(name, model.template, tuple(chosen), tuple(reduce), gradient)


def check_reducers(reduce: Sequence[Reducer]) -> None:
    """Refuse no reducers, or two of one name.

    Raises:
        MetricError: they are such.
    """
    names = [part.name if isinstance(part, Reducer) else repr(part) for part in reduce]
    wrong = not all(isinstance(part, Reducer) for part in reduce)
    if not names or wrong or len(set(names)) < len(names):
        raise MetricError(
            "a tap keeps one or more things by different names",
            got=f"reducers {', '.join(names) or 'none'}",
            do="pass reduce=[reducers.mean(), reducers.std()]",
        )


def _slashed(path: str) -> str:
    return path.replace(".", "/")
