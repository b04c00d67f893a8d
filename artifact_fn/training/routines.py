"""Routines: what is computed at the end of an epoch, when it is due."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol

import attrs
from typing_extensions import TypeVar

from artifact_fn.errors import DataError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.training.contracts import Batch, Source, Step
from artifact_fn.training.state import TrainState

Results = tuple[Mapping[str, float], Mapping[str, Any]]
"""Scores and artifacts by `split/name`."""

Plot = Callable[[Mapping[str, Any]], Any]
"""Results by name (floats and arrays) to a figure, or to figures by name."""

S = TypeVar("S")
B = TypeVar("B", bound=Batch)
S_contra = TypeVar("S_contra", contravariant=True, default=TrainState)


class Wrap(Protocol):
    """Compiles a step as the training step is, or leaves it as it is."""

    def __call__(self, step: Step[S, B], /) -> Step[S, B]:
        """The same step."""
        ...


@attrs.frozen(eq=False)
class Prepared(Generic[S_contra]):
    """A routine that has seen the state it will be given.

    Attributes:
        makes: The scores it makes.
        run: State to scores and artifacts; pure.
    """

    makes: frozenset[str]
    run: Callable[[S_contra], Results]


@attrs.frozen(eq=False)
class Routine(Generic[S_contra]):
    """Something computed from the state at the end of the epochs when it is due.

    Attributes:
        name: For messages.
        due: Epoch index to whether it is due.
        prepare: Called once before training, with the first state: finds out, on a first batch,
            what the routine makes and whether it works at all.
        over: Of one that names a split and no source: makes the routine of an experiment's data.
        rides: Of one that watches training batches: (step, state, batch) to a step that tells of
            more; nothing else of it is used.
        steps: Of one that rides: how many batches of an epoch it watches at most; None for all.
        split: Prefix of what it makes.
        plots: Drawn of what it makes: from its results without the prefix, by the name of the
            plot.
        deferred: Whether it answers functions in place of figures, so that who draws them can get ready.

    Example:
        >>> idle = Prepared(frozenset(), lambda state: ({}, {}))
        >>> routine = Routine("idle", lambda epoch: epoch % 5 == 0, lambda wrap, state: idle)
        >>> routine.due(4), routine.due(5)
        (False, True)
    """

    name: str
    due: Cadence
    prepare: Callable[[Wrap, S_contra], Prepared[S_contra]]
    over: "Callable[[Mapping[str, Source[Any]]], Routine[S_contra]] | None" = None
    rides: Callable[[Step[TrainState], TrainState, Batch], Step[TrainState]] | None = None
    steps: int | None = None
    split: str = "train"
    plots: Mapping[str, Plot] = attrs.field(factory=dict)
    deferred: bool = False


def drawn(routine: Routine, results: Results) -> dict[str, Any]:
    """The plots of a routine, by `split/name`; of several figures `split/name/figure`."""
    own = f"{routine.split}/"
    whole = {**results[0], **results[1]}
    given = {name.removeprefix(own): value for name, value in whole.items()}
    found: dict[str, Any] = {}
    for name, plot in routine.plots.items():
        figure = plot(given)
        if isinstance(figure, Mapping):
            found.update({f"{own}{name}/{part}": value for part, value in figure.items()})
        else:
            found[f"{own}{name}"] = figure
    return found


def with_plots(routine: Routine, **plots: Plot) -> Routine:
    """The same routine, which also draws what it makes.

    Args:
        routine: Any.
        plots: From its results by name, without the split, to a figure or to figures by name.

    Raises:
        DataError: a plot is no function, or its name is taken.

    Example:
        >>> from artifact_fn.training.diagnostics import diagnostics
        >>> from artifact_fn.training.taps import gradient_norms
        >>> watched = diagnostics(gradient_norms())
        >>> list(with_plots(watched, largest=lambda results: max(results.values())).plots)
        ['largest']
    """
    for name, plot in plots.items():
        if not callable(plot) or name in routine.plots:
            raise DataError(
                "a plot is a function of results, and has a name of its own",
                got=f"{name}={plot!r}",
                do="pass e.g. with_plots(routine, confusion=plots.confusion('confusion'))",
            )
    drawing = attrs.evolve(routine, plots={**routine.plots, **plots})
    over = routine.over
    if over is None:
        return drawing
    return attrs.evolve(drawing, over=lambda data: with_plots(over(data), **plots))


def prefixed(split: str, scores: Mapping[str, float], artifacts: Mapping[str, Any]) -> Results:
    """Results under `split/name`; a history holds each name once, and not for every epoch."""
    return (
        {sys.intern(f"{split}/{name}"): value for name, value in scores.items()},
        {sys.intern(f"{split}/{name}"): value for name, value in artifacts.items()},
    )
