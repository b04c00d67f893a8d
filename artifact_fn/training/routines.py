"""Routines: what is computed at the end of an epoch, when it is due."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from artifact_fn.errors import DataError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.contracts import Objective, Source, Step
from artifact_fn.training.cuts import cuts
from artifact_fn.training.preflight import first_batch, tried
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers, merge
from artifact_fn.training.step import eval_step

Results = tuple[Mapping[str, float], Mapping[str, Any]]
"""Scores and artifacts by `split/name`."""

Wrap = Callable[[Step[TrainState]], Step[TrainState]]
"""Compiles a step as the training step is, or leaves it as it is."""


@attrs.frozen(eq=False)
class Prepared:
    """A routine that has seen the state it will be given.

    Attributes:
        makes: The scores it makes.
        run: State to scores and artifacts; pure.
    """

    makes: frozenset[str]
    run: Callable[[TrainState], Results]


@attrs.frozen(eq=False)
class Routine:
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
    prepare: Callable[[Wrap, TrainState], Prepared]
    over: "Callable[[Mapping[str, Source]], Routine] | None" = None


def evaluation(
    split: str, objective: Objective, source: Source | None = None, *, every: int | Cadence = 1
) -> Routine:
    """The objective's loss and metrics over all of a source, in evaluation mode.

    Args:
        split: Prefix of the scores, e.g. `"val"` for `val/loss`.
        objective: Usually the one that is minimised.
        source: Its rows, read in their own order. In an `Experiment` it may be left out: then it
            is the experiment's data of this split.
        every: At which epochs: every so many, or any cadence.

    Raises:
        FoldError: `every` is below 1.
    """
    due = at_every(every) if isinstance(every, int) else every
    name = f"evaluation({split!r})"
    if source is None:
        return Routine(name, due, _without(split), lambda data: _over(split, objective, data, due))

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        step = eval_step(objective)
        _, metrics = tried(step, state, first_batch(source))
        names, _ = answers(metrics)
        wrapped = wrap(step)

        def run(state: TrainState) -> Results:
            return prefixed(split, *_swept(wrapped, state, source))

        return Prepared(frozenset(f"{split}/{name}" for name in names), run)

    return Routine(name, due, prepare)


def _over(split: str, objective: Objective, data: Mapping[str, Source], due: Cadence) -> Routine:
    if split not in data:
        raise DataError(
            f"an evaluation of {split!r} needs data of that split",
            got=f"data of {', '.join(map(repr, map(str, data)))}",
            do=f"add {split!r} to the experiment's data, or give evaluation(...) a source",
        )
    return evaluation(split, objective, data[split], every=due)


def _without(split: str) -> Callable[[Wrap, TrainState], Prepared]:
    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        raise DataError(
            f"an evaluation of {split!r} reads a source",
            got="none",
            do="write evaluation(split, objective, source), or put it into an Experiment",
        )

    return prepare


def evaluate(objective: Objective, state: TrainState, source: Source) -> dict[str, float]:
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


def prefixed(split: str, scores: Mapping[str, float], artifacts: Mapping[str, Any]) -> Results:
    """Results under `split/name`."""
    return (
        {f"{split}/{name}": value for name, value in scores.items()},
        {f"{split}/{name}": value for name, value in artifacts.items()},
    )


def _swept(step: Step[TrainState], state: TrainState, source: Source) -> Results:
    parts = [cut.metrics for cut in cuts(step, state, source, shuffled=False)]
    return answers(merge(parts))
