"""Routines: what is computed at the end of an epoch, when it is due."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol

import attrs
from typing_extensions import TypeVar

from artifact_fn.errors import DataError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.contracts import Batch, Objective, Source, Step
from artifact_fn.training.cuts import cuts
from artifact_fn.training.preflight import first_batch, tried
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers, merge
from artifact_fn.training.step import eval_step

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
        rides: Of one that rides on the training batches: (step, state, batch) to the step that
            is taken in the epochs when it is due.
        split: Prefix of what it makes.
        plots: Drawn of what it makes: from its results without the prefix, by the name of the
            plot.
    """

    name: str
    due: Cadence
    prepare: Callable[[Wrap, S_contra], Prepared[S_contra]]
    rides: Callable[[Step[TrainState], TrainState, Batch], Step[TrainState]] | None = None
    split: str = "train"
    plots: Mapping[str, Plot] = attrs.field(factory=dict)


def evaluation(
    split: str, objective: Objective[B, Any], source: Source[B], *, every: int | Cadence = 1
) -> Routine:
    """The objective's loss and metrics over all of a source, in evaluation mode.

    Args:
        split: Prefix of the scores, e.g. `"val"` for `val/loss`.
        objective: Usually the one that is minimised.
        source: Its rows, read in their own order.
        every: At which epochs: every so many, or any cadence.

    Raises:
        FoldError: `every` is below 1.
    """
    due = at_every(every) if isinstance(every, int) else every

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        step = eval_step(objective)
        _, metrics = tried(step, state, first_batch(source))
        names, _ = answers(metrics)
        wrapped = wrap(step)

        def run(state: TrainState) -> Results:
            return prefixed(split, *_swept(wrapped, state, source))

        return Prepared(frozenset(f"{split}/{name}" for name in names), run)

    return Routine(f"evaluation({split!r})", due, prepare, split=split)


def evaluate(
    objective: Objective[B, Any], state: TrainState, source: Source[B]
) -> dict[str, float]:
    """The objective's loss and metrics of one state over all of a source, once.

    For a test set, after the run: `evaluate(objective, run.answers["best"].state, test)`.

    Returns:
        Scores by name, without a split.

    Raises:
        DataError: the source yields nothing.
    """
    first_batch(source)
    scores, _ = _swept(eval_step(objective), state, source)
    return dict(scores)


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
    return attrs.evolve(routine, plots={**routine.plots, **plots})


def prefixed(split: str, scores: Mapping[str, float], artifacts: Mapping[str, Any]) -> Results:
    """Results under `split/name`."""
    return (
        {f"{split}/{name}": value for name, value in scores.items()},
        {f"{split}/{name}": value for name, value in artifacts.items()},
    )


def _swept(step: Step[TrainState, B], state: TrainState, source: Source[B]) -> Results:
    parts = [cut.metrics for cut in cuts(step, state, source, shuffled=False)]
    return answers(merge(parts))
