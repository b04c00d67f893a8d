"""Judged: routines that need more of a state than statistics of a source.

`validation` is for what a model makes (tables, texts, classifications) held against something;
`collected` for what is computed of every output of a source by a fold.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeAlias, cast

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import TypeVar

from artifact_fn import random, tree
from artifact_fn.errors import DataError, ScoreError
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.folds.fold import Fold, named
from artifact_fn.training.contracts import Batch, Objective, Source
from artifact_fn.training.preflight import first_batch
from artifact_fn.training.routines import Prepared, Results, Routine, Wrap, prefixed
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Join, Metrics
from artifact_fn.training.step import EVALUATION

Score: TypeAlias = float
Array: TypeAlias = NDArray[Any]
Plot: TypeAlias = Any
"""A matplotlib Figure; training itself does not need matplotlib."""

Result: TypeAlias = "Score | Array | Plot | Mapping[str, Score | Array | Plot]"
"""What is computed for validation; of a mapping each part by itself, as `NAME/part`."""

I_co = TypeVar("I_co", covariant=True, default=Any)
O_co = TypeVar("O_co", covariant=True, default=Any)
B = TypeVar("B", bound=Batch)
O = TypeVar("O")  # noqa: E741
R = TypeVar("R", bound=Any)


@attrs.frozen(eq=False)
class Outcome(Generic[I_co, O_co]):
    """One batch and what the model has answered to it.

    Attributes:
        inputs: The batch.
        outputs: Of the model, in evaluation mode.

    Example:
        >>> outcome = Outcome({"x": np.zeros((2, 3))}, np.array([0.25, 0.75]))
        >>> outcome.outputs.tolist()
        [0.25, 0.75]
    """

    inputs: I_co
    outputs: O_co


def sorted_results(found: Mapping[str, Any]) -> Results:
    """Scores, and everything else, with mappings taken apart.

    Args:
        found: Floats, arrays, figures, or mappings of them, by name.

    Raises:
        ScoreError: two results would have one name.

    Example:
        >>> sorted_results({"F1": 0.5, "BY_CLASS": {"yes": 0.25}, "COUNTS": np.ones(2)})
        ({'F1': 0.5, 'BY_CLASS/yes': 0.25}, {'COUNTS': array([1., 1.])})
    """
    flat: dict[str, Any] = {}
    for name, value in found.items():
        parts = (
            {f"{name}/{part}": inner for part, inner in value.items()}
            if isinstance(value, Mapping)
            else {name: value}
        )
        twice = sorted(flat.keys() & parts.keys())
        if twice:
            raise ScoreError(
                f"two results would be called {twice[0]!r}",
                got=f"results {', '.join(found)}",
                do="give each, and each part of a mapping, a name of its own",
            )
        flat.update(parts)
    plain = {name: _plain(value) for name, value in flat.items()}
    scores = {name: float(value) for name, value in plain.items() if _is_score(value)}
    return scores, {name: value for name, value in plain.items() if name not in scores}


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.ndim == 0
    )


def validation(
    split: str,
    judge: Callable[[TrainState], Mapping[str, Any]],
    *,
    every: int | Cadence = 1,
) -> Routine:
    """What a function makes of the state, in the epochs when it is due and in no other.

    The domain toolkits have validations of their own; this one is for anything else.

    Args:
        split: Prefix of the results, e.g. `"val"` for `val/F1`.
        judge: State to scores, arrays, figures or mappings of them, by name; pure. It draws, if at
            all, from a key of its own.
        every: At which epochs: every so many, or any cadence.

    Raises:
        FoldError: `every` is below 1.

    Example:
        >>> routine = validation("val", lambda state: {"STEPS": float(state.step)}, every=5)
        >>> routine.due(4), routine.due(5)
        (False, True)
    """
    due = at_every(every) if isinstance(every, int) else every
    name = f"validation({split!r})"

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        def run(state: TrainState) -> Results:
            return prefixed(split, *_judged(name, judge(state)))

        return Prepared(frozenset(run(state)[0]), run)

    return Routine(name, due, prepare, split=split)


def _judged(name: str, found: Any) -> Results:
    if not isinstance(found, Mapping):
        raise ScoreError(
            f"{name} answers results by name",
            got=type(found).__name__,
            do="answer a dict: {'F1': 0.5, 'COUNTS': array, 'CURVE': figure}",
        )
    return sorted_results(found)


def collected(
    split: str,
    objective: Objective[B, O],
    source: Source[B],
    folds: Mapping[str, Fold[Outcome[B, O], Any, Any]],
    *,
    every: int | Cadence = 1,
) -> Routine:
    """What folds compute of every batch of a source and the model's answers to it.

    For what no statistic can hold, such as a projection of all embeddings; a metric in the
    objective costs far less, as it never leaves the compiled step.

    Args:
        split: Prefix of the results.
        objective: Calls the model; its outputs are what the folds read.
        source: Its rows, read in their own order.
        folds: Over batches; each answers a score, an array, a figure or a mapping of them, under
            its name.
        every: At which epochs: every so many, or any cadence.

    Raises:
        FoldError: `every` is below 1.
        DataError: there is no fold.

    Example:
        >>> from artifact_fn.testing import small_experiment
        >>> given = small_experiment()
        >>> rows = Fold(lambda: 0, lambda count, seen: count + len(seen.outputs), lambda count: count)
        >>> routine = collected("val", given.objective, given.data["val"], {"ROWS": rows})
        >>> routine.name
        "collected('val')"
    """
    due = at_every(every) if isinstance(every, int) else every
    name = f"collected({split!r})"
    if not folds or not all(isinstance(fold, Fold) for fold in folds.values()):
        raise DataError(
            f"{name} computes something",
            got=", ".join(f"{key}={type(fold).__name__}" for key, fold in folds.items())
            or "no fold",
            do="pass folds by name: {'embedding': Fold(init, step, extract)}",
        )
    plan = named(folds)

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        answer = wrap(_outputs(objective))

        def swept(state: TrainState, batches: Any) -> Results:
            carry = plan.init()
            for batch in batches:
                state, found = answer(state, batch)
                outputs = cast(Carried, found[_OUTPUTS]).value
                carry = plan.step(carry, Outcome(batch, outputs))
            return prefixed(split, *sorted_results(plan.extract(carry)))

        makes = frozenset(swept(state, [first_batch(source)])[0])
        return Prepared(makes, lambda state: swept(state, source.batches(None, 1)))

    return Routine(name, due, prepare, split=split)


_OUTPUTS = "outputs"


@tree.node
class Carried:
    """Outputs on their way out of a step. They belong to one batch, and are never merged."""

    joins: ClassVar[Mapping[str, Join]] = {"value": "sum"}
    value: Any

    def answer(self) -> Tensor:
        """The first of them, as a statistic answers something."""
        first: Tensor = tree.leaves(self.value)[0]
        return first


def _outputs(objective: Objective[B, Any]) -> Any:
    def step(state: TrainState, batch: B) -> tuple[TrainState, Metrics]:
        key = random.fold_in(random.fold_in(state.key, EVALUATION), state.step)
        _, aux = objective(state.params, state.buffers, batch, key, False)
        outputs = tree.map(lambda leaf: leaf.clone(), aux.outputs)
        return tree.replace(state, step=state.step + 1), {_OUTPUTS: Carried(outputs)}

    return step
