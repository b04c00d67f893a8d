"""Evaluation: the loss and the metrics over all of a source, as a routine or once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from typing_extensions import TypeVar

from artifact_fn.errors import DataError, MetricError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.compiled import singly
from artifact_fn.training.contracts import Batch, Objective, Source, Step
from artifact_fn.training.cuts import cuts
from artifact_fn.training.metrics import Metric
from artifact_fn.training.observed_step import seeing
from artifact_fn.training.places import check_source, check_state
from artifact_fn.training.preflight import first_batch, tried
from artifact_fn.training.routines import Prepared, Results, Routine, Wrap, prefixed
from artifact_fn.training.sites import unseen, watch
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers, merge
from artifact_fn.training.step import eval_step
from artifact_fn.training.tap_kinds import ModuleTap

B = TypeVar("B", bound=Batch)
O = TypeVar("O")  # noqa: E741


def _itself(state: TrainState) -> TrainState:
    return state


def evaluation(
    split: str,
    objective: Objective[B, O],
    source: Source[B] | None = None,
    *,
    every: int | Cadence = 1,
    of: Callable[[TrainState], TrainState] = _itself,
    metrics: Sequence[Metric[B, O]] = (),
    taps: Sequence[ModuleTap] = (),
) -> Routine:
    """The objective's loss and metrics over all of a source, in evaluation mode.

    Nothing is read in an epoch when it is not due.

    Args:
        split: Prefix of the scores, e.g. `"val"` for `val/loss`.
        objective: Usually the one that is minimised.
        source: Its rows, read in their own order. In an `Experiment` it may be left out: then it
            is the experiment's data of this split.
        every: At which epochs: every so many, or any cadence.
        of: What is evaluated, a function of the state: `optim.averaged` for the mean of the
            parameters that `optim.ema` or `optim.swa` keeps. Training does not see it.
        metrics: Of this split, besides the objective's own.
        taps: Of modules, whose outputs are watched over the source; see `taps.activations`.

    Raises:
        DataError: `split`, `objective` or `source` is none.
        FoldError: `every` is below 1, or neither a whole number nor a cadence.
        OptimError: when training begins, `of=optim.averaged` and the optimizer keeps no mean.
        MetricError: something else than a metric or a tap of outputs; in an evaluation there are
            no gradients.

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
    _check_watched(metrics, taps)
    if source is None:

        def over(data: Mapping[str, Source[Any]]) -> Routine:
            given = _split_of(data, split)
            return evaluation(split, objective, given, every=due, of=of, metrics=metrics, taps=taps)

        return Routine(name, due, _without(split), over, split=split)
    check_source(source)

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        first = first_batch(source)
        step = eval_step(_watched(objective, metrics, taps, of(state), first))
        names, _ = answers(tried(step, of(state), first)[1])
        wrapped = singly(wrap(step)) if taps else wrap(step)

        def run(state: TrainState) -> Results:
            return prefixed(split, *_swept(wrapped, of(state), source))

        return Prepared(frozenset(f"{split}/{name}" for name in names), run)

    return Routine(name, due, prepare, split=split)


def _split_of(data: Mapping[str, Source[Any]], split: str) -> Source[Any]:
    if split not in data:
        raise DataError(
            f"an evaluation of {split!r} needs data of that split",
            got=f"data of {', '.join(map(repr, map(str, data)))}",
            do=f"add {split!r} to the experiment's data, or give evaluation(...) a source",
        )
    return data[split]


def _without(split: str) -> Callable[[Wrap, TrainState], Prepared]:
    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        raise DataError(
            f"an evaluation of {split!r} reads a source",
            got="none",
            do="write evaluation(split, objective, source), or put it into an Experiment",
        )

    return prepare


def _check_watched(metrics: Sequence[Any], taps: Sequence[Any]) -> None:
    right = all(isinstance(metric, Metric) for metric in metrics) and all(
        isinstance(tap, ModuleTap) and not tap.gradient for tap in taps
    )
    if not right:
        raise MetricError(
            "an evaluation has metrics, and taps of what modules answer",
            got=", ".join(type(part).__name__ for part in (*metrics, *taps)),
            do="leave taps of gradients to diagnostics(...), where there are gradients",
        )


def _watched(
    objective: Objective[B, O],
    metrics: Sequence[Metric[B, O]],
    taps: Sequence[ModuleTap],
    state: TrainState,
    batch: B,
) -> Objective[B, O]:
    if not metrics and not taps:
        return objective
    modules = watch(objective, taps, state, batch, training=False)
    names = {site.name for part in modules for site in part.sites}
    for tap in taps:
        if not any(name.startswith(f"{tap.name}/") for name in names):
            raise unseen(tap)
    return seeing(objective, modules, metrics)


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


def _swept(step: Step[TrainState, B], state: TrainState, source: Source[B]) -> Results:
    parts = [cut.metrics for cut in cuts(step, state, source, shuffled=False)]
    return answers(merge(parts))
