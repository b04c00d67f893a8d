"""Thresholds: from which probability on to predict the positive class."""

from typing import Literal

import numpy as np

from artifact_fn.validation.artifacts import Score, chosen
from artifact_fn.validation.binary_classification.classified import Classified

Tuned = Literal["F1", "ACCURACY", "BALANCED_ACCURACY", "MCC"]


def tuned_threshold(rows: Classified, *, metric: Tuned = "F1") -> dict[str, Score]:
    """The threshold with the best score on these rows, the highest of several.

    Every probability that occurs is tried, in one pass over the sorted rows. Tune on validation rows and
    judge on others: on the rows it was chosen on, the score is too good.

    Args:
        rows: The classification; its predicted classes play no part.
        metric: What to maximise.

    Returns:
        `THRESHOLD`, from which on rows are positive, and `VALUE`, the score that this gives.

    Raises:
        ValidationError: there is no such metric.

    Example:
        >>> from artifact_fn.validation.binary_classification import BinarySpec, classified
        >>> spec = BinarySpec(("no", "yes"), positive="yes")
        >>> rows = classified(spec, ["no", "yes", "yes"], probability=[0.1, 0.3, 0.4])
        >>> tuned_threshold(rows)
        {'THRESHOLD': 0.3, 'VALUE': 1.0}
    """
    chosen("metric", metric, Tuned)
    order = np.argsort(-rows.probability, kind="stable")
    falling, true = rows.probability[order], rows.true[order]
    last = np.append(falling[1:] < falling[:-1], True)  # of each run of equal probabilities
    tp = np.cumsum(true)[last].astype(np.float64)
    said = np.flatnonzero(last) + 1.0
    positive, count = float(true.sum()), float(len(rows))
    fp, fn = said - tp, positive - tp
    tn = count - said - fn
    match metric:
        case "F1":
            part, whole = 2 * tp, 2 * tp + fp + fn
        case "ACCURACY":
            part, whole = tp + tn, np.full(len(tp), count)
        case "BALANCED_ACCURACY":
            negative = count - positive
            rates = [r / n for r, n in ((tp, positive), (tn, negative)) if n]
            part, whole = sum(rates, start=np.zeros(len(tp))), np.full(len(tp), float(len(rates)))
        case "MCC":
            part = tp * tn - fp * fn
            whole = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    values = np.divide(part, whole, out=np.zeros(len(tp)), where=whole > 0)
    best = int(values.argmax())
    return {"THRESHOLD": float(falling[last][best]), "VALUE": float(values[best])}
