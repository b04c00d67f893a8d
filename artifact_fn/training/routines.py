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
from artifact_fn.training.places import check_source, check_state
from artifact_fn.training.preflight import first_batch, tried
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers, merge
from artifact_fn.training.step import eval_step

Results = tuple[Mapping[str, float], Mapping[str, Any]]
"""Scores and artifacts by `split/name`."""

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
    """

    name: str
    due: Cadence
    prepare: Callable[[Wrap, S_contra], Prepared[S_contra]]
    over: "Callable[[Mapping[str, Source[Any]]], Routine[S_contra]] | None" = None


def _itself(state: TrainState) -> TrainState:
    return state


def evaluation(
    split: str,
    objective: Objective[B, Any],
    source: Source[B] | None = None,
    *,
    every: int | Cadence = 1,
    of: Callable[[TrainState], TrainState] = _itself,
) -> Routine:
    """The objective's loss and metrics over all of a source, in evaluation mode.

    Args:
        split: Prefix of the scores, e.g. `"val"` for `val/loss`.
        objective: Usually the one that is minimised.
        source: Its rows, read in their own order. In an `Experiment` it may be left out: then it
            is the experiment's data of this split.
        every: At which epochs: every so many, or any cadence.
        of: What is evaluated, a function of the state: `optim.averaged` for the mean of the
            parameters that `optim.ema` or `optim.swa` keeps. Training does not see it.

    Raises:
        DataError: `split`, `objective` or `source` is none.
        FoldError: `every` is below 1, or neither a whole number nor a cadence.
        OptimError: when training begins, `of=optim.averaged` and the optimizer keeps no mean.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.data import Loader, Table
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional, supervised, train_step
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> objective = supervised(model, F.cross_entropy)
        >>> rows = {"x": torch.eye(3), "y": torch.tensor([0, 1, 0])}
        >>> source = Loader(Table(rows), batch_size=2)
        >>> routine = evaluation("val", objective, source, every=2)
        >>> routine.name, routine.due(1), routine.due(2)
        ("evaluation('val')", False, True)
    """
    if not isinstance(split, str) or not callable(objective):
        raise DataError(
            "an evaluation has a split, an objective and a source",
            got=f"evaluation({type(split).__name__}, {type(objective).__name__}, ...)",
            do="pass them in this order: evaluation('val', objective, val)",
        )
    due = every if callable(every) else at_every(every)
    name = f"evaluation({split!r})"
    if source is None:
        return Routine(
            name, due, _without(split), lambda data: _over(split, objective, data, due, of)
        )
    check_source(source)

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        step = eval_step(objective)
        _, metrics = tried(step, of(state), first_batch(source))
        names, _ = answers(metrics)
        wrapped = wrap(step)

        def run(state: TrainState) -> Results:
            return prefixed(split, *_swept(wrapped, of(state), source))

        return Prepared(frozenset(f"{split}/{name}" for name in names), run)

    return Routine(name, due, prepare)


def _over(
    split: str,
    objective: Objective[Any, Any],
    data: Mapping[str, Source[Any]],
    due: Cadence,
    of: Callable[[TrainState], TrainState],
) -> Routine:
    if split not in data:
        raise DataError(
            f"an evaluation of {split!r} needs data of that split",
            got=f"data of {', '.join(map(repr, map(str, data)))}",
            do=f"add {split!r} to the experiment's data, or give evaluation(...) a source",
        )
    return evaluation(split, objective, data[split], every=due, of=of)


def _without(split: str) -> Callable[[Wrap, TrainState], Prepared]:
    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        raise DataError(
            f"an evaluation of {split!r} reads a source",
            got="none",
            do="write evaluation(split, objective, source), or put it into an Experiment",
        )

    return prepare


def evaluate(
    objective: Objective[B, Any], state: TrainState, source: Source[B]
) -> dict[str, float]:
    """The objective's loss and metrics of one state over all of a source, once.

    For a test set, after the run: `evaluate(objective, run.answers["best"].state, test)`; of an
    average, `evaluate(objective, optim.averaged(state), test)`.

    Returns:
        Scores by name, without a split.

    Raises:
        DataError: the source yields nothing, or `state` is no state.

    Example:
        >>> import torch
        >>> import torch.nn.functional as F
        >>> from artifact_fn.data import Loader, Table
        >>> from artifact_fn.optim import sgd
        >>> from artifact_fn.training import functional, supervised, train_step
        >>> model, optimizer = functional(lambda: torch.nn.Linear(3, 2)), sgd(0.1)
        >>> objective = supervised(model, F.cross_entropy)
        >>> rows = {"x": torch.eye(3), "y": torch.tensor([0, 1, 0])}
        >>> source = Loader(Table(rows), batch_size=2)
        >>> state = TrainState.create(model, optimizer, seed=0)
        >>> list(evaluate(objective, state, source))
        ['loss']
    """
    check_state(state)
    first_batch(source)
    scores, _ = _swept(eval_step(objective), state, source)
    return dict(scores)


def prefixed(split: str, scores: Mapping[str, float], artifacts: Mapping[str, Any]) -> Results:
    """Results under `split/name`."""
    return (
        {f"{split}/{name}": value for name, value in scores.items()},
        {f"{split}/{name}": value for name, value in artifacts.items()},
    )


def _swept(step: Step[TrainState, B], state: TrainState, source: Source[B]) -> Results:
    parts = [cut.metrics for cut in cuts(step, state, source, shuffled=False)]
    return answers(merge(parts))
