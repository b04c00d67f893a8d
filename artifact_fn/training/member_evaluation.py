"""Member evaluation: an objective over a source, for every member of an ensemble."""

from collections.abc import Callable, Sequence
from typing import Any

from artifact_fn import tree
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.contracts import Objective, Source
from artifact_fn.training.cuts import cuts
from artifact_fn.training.ensemble import Ensemble
from artifact_fn.training.member_step import Members
from artifact_fn.training.preflight import first_batch, tried
from artifact_fn.training.routines import Prepared, Results, Routine, Wrap, prefixed
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import answers, merge
from artifact_fn.training.step import eval_step


def _itself(state: TrainState) -> TrainState:
    return state


def evaluate_each(
    together: Ensemble,
    split: str,
    objective: Objective[Any, Any],
    source: Source[Any] | Sequence[Source[Any]],
    *,
    every: int | Cadence = 1,
    of: Callable[[TrainState], TrainState] = _itself,
) -> Routine:
    """The objective's loss and metrics of every member, in evaluation mode.

    Makes `val/loss`, the mean over members, and `val/loss[3]` of each of them; those that have
    stopped are evaluated as they were left.

    Args:
        together: The ensemble.
        split: Prefix of the scores, e.g. `"val"`.
        objective: Of one model.
        source: One for all members, whose batches they share, or a list with one for each split
            of a cross-validation, or for each member.
        every: At which epochs: every so many, or any cadence.
        of: Which state of a member is evaluated, such as `optim.averaged`.

    Raises:
        DataError, EnsembleError: as `Ensemble.source`.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> from artifact_fn.training.ensemble import ensemble
        >>> one = small_experiment()
        >>> many = ensemble(one.model, one.optimizer, seeds=2)
        >>> evaluate_each(many, "val", one.objective, one.data["val"]).name
        "evaluate_each('val')"
    """
    read = source if isinstance(source, Source) else together.source(source)
    due = at_every(every) if isinstance(every, int) else every
    step = together.step(_of(objective, of))

    def awake(state: TrainState) -> TrainState:
        """All of them: that a member has stopped is no reason not to look at it."""
        held: Members = state.opt_state
        return tree.replace(state, opt_state=tree.replace(held, running=held.running | True))

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        _, metrics = tried(step, awake(state), first_batch(read))
        wrapped = wrap(step)

        def run(state: TrainState) -> Results:
            parts = [cut.metrics for cut in cuts(wrapped, awake(state), read, shuffled=False)]
            return prefixed(split, *answers(merge(parts)))

        return Prepared(frozenset(f"{split}/{name}" for name in answers(metrics)[0]), run)

    return Routine(f"evaluate_each({split!r})", due, prepare)


def _of(objective: Objective[Any, Any], of: Callable[[TrainState], TrainState]) -> Any:
    evaluated = eval_step(objective)

    def step(state: TrainState, batch: Any) -> tuple[TrainState, Any]:
        after, told = evaluated(of(state), batch)
        return tree.replace(state, step=after.step), told

    return step
