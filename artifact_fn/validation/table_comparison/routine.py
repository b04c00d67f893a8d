"""Routine: a synthetic table held against the real one at the end of epochs."""

from typing import TypeVar

import pandas as pd

from artifact_fn import random
from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.routines import Prepared, Results, Routine, Wrap, prefixed
from artifact_fn.training.state import TrainState
from artifact_fn.validation.plan import Plan, computed, scored
from artifact_fn.validation.table_comparison.encoded import Comparison, compare, encode
from artifact_fn.validation.table_comparison.spec import TabularSpec
from artifact_fn.validation.table_comparison.synthesizer import TableSynthesizer, generated

P = TypeVar("P")


def validation(
    split: str,
    synthesizer: TableSynthesizer[TrainState, P],
    spec: TabularSpec,
    real: pd.DataFrame,
    plan: Plan[Comparison],
    *,
    params: P,
    rows: int | None = None,
    every: int | Cadence = 1,
    seed: int = 0,
) -> Routine:
    """A synthetic table is generated when due, and the plan's artifacts are computed of it.

    Every epoch draws with the same key, so that scores differ by what was learnt and not by luck.

    Args:
        split: Prefix of the scores, e.g. `"train"` for `train/MEAN_JS_DISTANCE`.
        synthesizer: Generates from the epoch's state.
        spec: Of both tables.
        real: What is compared with; validated once, here.
        plan: What is computed.
        params: Passed on to the synthesizer.
        rows: To generate; as many as are real where it is left out.
        every: At which epochs: every so many, or any cadence.
        seed: Of the key.

    Raises:
        DataError: the real table is malformed, or, before training, a generated one is.
        FoldError: `every` is below 1.

    Example:
        >>> import pandas as pd
        >>> class Same:
        ...     def generate(self, state, key, n, params):
        ...         return pd.DataFrame({"age": range(n)})
        >>> real = pd.DataFrame({"age": [3, 1, 2]})
        >>> spec = TabularSpec.from_frame(real, continuous=["age"])
        >>> from artifact_fn.validation.table_comparison.scores import SCORES
        >>> plan = Plan(scores={"MEAN_JS_DISTANCE": SCORES["MEAN_JS_DISTANCE"]})
        >>> validation("train", Same(), spec, real, plan, params=None, every=5).due(5)
        True
    """
    due = at_every(every) if isinstance(every, int) else every
    encoded = encode(spec, real, table="the real table")
    key, count = random.key(seed), len(encoded) if rows is None else rows

    def compared(state: TrainState) -> Comparison:
        _, synthetic = generated(synthesizer, spec, state, key.to(state.key.device), count, params)
        return compare(spec, encoded, synthetic)

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        names = scored(plan, compared(state))

        def run(state: TrainState) -> Results:
            return prefixed(split, *computed(plan, compared(state)))

        return Prepared(frozenset(f"{split}/{name}" for name in names), run)

    return Routine(f"validation({split!r})", due, prepare, deferred=plan.deferred)
