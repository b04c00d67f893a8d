"""Routine: a source's rows classified, and held against their classes, at the end of epochs."""

from collections.abc import Iterable

import numpy as np

from artifact_fn.folds.cadence import Cadence
from artifact_fn.folds.cadence import every as at_every
from artifact_fn.training.batches import column
from artifact_fn.training.contracts import Batch, Source
from artifact_fn.training.preflight import first_batch
from artifact_fn.training.routines import Prepared, Results, Routine, Wrap, prefixed
from artifact_fn.training.state import TrainState
from artifact_fn.validation.binary_classification.classified import Classified, classified
from artifact_fn.validation.binary_classification.classifier import BinaryClassifier, probabilities
from artifact_fn.validation.binary_classification.spec import BinarySpec
from artifact_fn.validation.plan import Plan, computed, scored

READER = "validation"


def validation(
    split: str,
    classifier: BinaryClassifier[TrainState, Batch],
    spec: BinarySpec,
    source: Source,
    plan: Plan[Classified],
    *,
    targets: str = "y",
    threshold: float = 0.5,
    every: int | Cadence = 1,
) -> Routine:
    """All rows of a source are classified when due, and the plan's artifacts are computed of them.

    Args:
        split: Prefix of the scores, e.g. `"val"` for `val/ROC_AUC`.
        classifier: Asked for each batch with the epoch's state.
        spec: The two classes.
        source: Its rows, read in their own order.
        plan: What is computed.
        targets: The column of true classes [B], one value a row.
        threshold: From which probability on a row is predicted positive.
        every: At which epochs: every so many, or any cadence.

    Raises:
        FoldError: `every` is below 1.
        ValidationError: before training, what the classifier answers is no probability a row.
        DataError: the source yields nothing, or a class that is unknown.

    Example:
        >>> import torch
        >>> from artifact_fn.testing import small_experiment
        >>> from artifact_fn.validation.binary_classification.scores import SCORES
        >>> class Even:
        ...     def classify(self, state, batch):
        ...         return torch.full((len(batch["y"]),), 0.5)
        >>> plan = Plan(scores={"BRIER": SCORES["BRIER"]})
        >>> source = small_experiment().data["val"]
        >>> validation("val", Even(), BinarySpec(("0", "1"), positive="1"), source, plan).name
        "validation('val')"
    """
    due = at_every(every) if isinstance(every, int) else every

    def judged(state: TrainState, batches: Iterable[Batch]) -> Classified:
        true, chance = [], []
        for batch in batches:
            true.append(np.asarray(column(batch, targets, READER).detach().cpu()))
            chance.append(probabilities(classifier, state, batch, len(true[-1])))
        return classified(
            spec, np.concatenate(true), probability=np.concatenate(chance), threshold=threshold
        )

    def prepare(wrap: Wrap, state: TrainState) -> Prepared:
        names = scored(plan, judged(state, [first_batch(source)]))

        def run(state: TrainState) -> Results:
            return prefixed(split, *computed(plan, judged(state, source.batches(None, 1))))

        return Prepared(frozenset(f"{split}/{name}" for name in names), run)

    return Routine(f"validation({split!r})", due, prepare, deferred=plan.deferred)
