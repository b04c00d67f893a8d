"""Scores: how good a classification is, in numbers.

Names, parameters and meaning are artifact-core's (scikit-learn's, where that has the same); a ratio
without cases is 0. docs/validation.md lists the departures.
"""

import math
from functools import partial

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from artifact_fn.validation.artifacts import Catalogue, Score, catalogue
from artifact_fn.validation.binary_classification.calibration import (
    brier,
    expected_calibration_error,
)
from artifact_fn.validation.binary_classification.classified import Classified
from artifact_fn.validation.statistics import Statistic, statistic


def confusion(rows: Classified) -> tuple[int, int, int, int]:
    """Counts of (true positive, false positive, true negative, false negative) rows."""
    positive, said = int(rows.true.sum()), int(rows.predicted.sum())
    hits = int(np.count_nonzero(rows.true & rows.predicted))
    return hits, said - hits, len(rows) - positive - said + hits, positive - hits


def accuracy(rows: Classified) -> Score:
    """Rows that are predicted right, of all."""
    tp, _, tn, _ = confusion(rows)
    return (tp + tn) / len(rows)


def balanced_accuracy(rows: Classified) -> Score:
    """The mean of the classes' recalls, over the classes that occur."""
    tp, fp, tn, fn = confusion(rows)
    recalls = [right / all_ for right, all_ in ((tp, tp + fn), (tn, tn + fp)) if all_]
    return sum(recalls) / len(recalls)


def precision(rows: Classified) -> Score:
    """True positives of all that are predicted positive."""
    tp, fp, _, _ = confusion(rows)
    return _ratio(tp, tp + fp)


def npv(rows: Classified) -> Score:
    """True negatives of all that are predicted negative."""
    _, _, tn, fn = confusion(rows)
    return _ratio(tn, tn + fn)


def recall(rows: Classified) -> Score:
    """True positives of all positives."""
    tp, _, _, fn = confusion(rows)
    return _ratio(tp, tp + fn)


def tnr(rows: Classified) -> Score:
    """True negatives of all negatives."""
    _, fp, tn, _ = confusion(rows)
    return _ratio(tn, tn + fp)


def fpr(rows: Classified) -> Score:
    """False positives of all negatives."""
    _, fp, tn, _ = confusion(rows)
    return _ratio(fp, tn + fp)


def fnr(rows: Classified) -> Score:
    """False negatives of all positives."""
    tp, _, _, fn = confusion(rows)
    return _ratio(fn, tp + fn)


def f1(rows: Classified) -> Score:
    """The harmonic mean of precision and recall."""
    tp, fp, _, fn = confusion(rows)
    return _ratio(2 * tp, 2 * tp + fp + fn)


def mcc(rows: Classified) -> Score:
    """Matthews' correlation coefficient, in [-1, 1]; 0 where a class is never true or never predicted."""
    tp, fp, tn, fn = confusion(rows)
    # Python's integers: the product of four counts leaves int64 at 55,000 rows.
    square = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(square) if square else 0.0


def roc_auc(rows: Classified) -> Score:
    """The area under the ROC curve; NaN where only one class occurs."""
    if rows.true.all() or not rows.true.any():
        return math.nan
    return float(roc_auc_score(rows.true, rows.probability))


def pr_auc(rows: Classified) -> Score:
    """Average precision, the area under the stepped precision-recall curve; NaN without positives."""
    if not rows.true.any():
        return math.nan
    return float(average_precision_score(rows.true, rows.probability))


def ground_truth_prob(rows: Classified, *, stat: Statistic) -> Score:
    """A statistic of the probabilities that were given to the true classes.

    Raises:
        ValidationError: there is no such statistic.
    """
    return float(statistic(rows.ground_truth, stat))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


PREDICTION_SCORES: Catalogue[Classified, Score] = catalogue(
    {
        "ACCURACY": accuracy,
        "BALANCED_ACCURACY": balanced_accuracy,
        "PRECISION": precision,
        "NPV": npv,
        "RECALL": recall,
        "TNR": tnr,
        "FPR": fpr,
        "FNR": fnr,
        "F1": f1,
        "MCC": mcc,
    }
)
"""Those of the predicted classes alone."""

THRESHOLD_SCORES: Catalogue[Classified, Score] = catalogue({"ROC_AUC": roc_auc, "PR_AUC": pr_auc})
"""Those of the probabilities' order alone."""

STATISTIC_NAMES: dict[Statistic, str] = {
    "MEAN": "MEAN",
    "STD": "STD",
    "VARIANCE": "VARIANCE",
    "MEDIAN": "MEDIAN",
    "Q1": "FIRST_QUARTILE",
    "Q3": "THIRD_QUARTILE",
    "MIN": "MIN",
    "MAX": "MAX",
}

SCORES: Catalogue[Classified, Score] = catalogue(
    {
        **PREDICTION_SCORES,
        **THRESHOLD_SCORES,
        **{
            f"GROUND_TRUTH_PROB_{name}": partial(ground_truth_prob, stat=stat)
            for stat, name in STATISTIC_NAMES.items()
        },
        "BRIER": brier,
        "EXPECTED_CALIBRATION_ERROR": expected_calibration_error,
    }
)
"""Artifacts that answer one number."""
