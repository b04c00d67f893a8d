"""Score collections: several scores of a classification by name."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from artifact_fn.validation.artifacts import Catalogue, Score, catalogue, chosen
from artifact_fn.validation.binary_classification.arrays import Normalization, confusion_matrix
from artifact_fn.validation.binary_classification.classified import Classified
from artifact_fn.validation.binary_classification.scores import (
    PREDICTION_SCORES,
    THRESHOLD_SCORES,
)
from artifact_fn.validation.binary_classification.thresholds import tuned_threshold
from artifact_fn.validation.statistics import STATISTICS, Statistic, statistic

Prediction = Literal[
    "ACCURACY", "BALANCED_ACCURACY", "PRECISION", "NPV", "RECALL", "TNR", "FPR", "FNR", "F1", "MCC"
]
Threshold = Literal["ROC_AUC", "PR_AUC"]
Part = Literal["ALL", "POSITIVE", "NEGATIVE"]
PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)
THRESHOLDS: tuple[Threshold, ...] = get_args(Threshold)
PARTS: tuple[Part, ...] = get_args(Part)


def normalized_confusion_counts(
    rows: Classified, *, normalization: Normalization = "NONE"
) -> dict[str, Score]:
    """The cells of `confusion_matrix` by name."""
    (tp, fn), (fp, tn) = confusion_matrix(rows, normalization=normalization).tolist()
    return {
        "true_positive": tp,
        "false_positive": fp,
        "true_negative": tn,
        "false_negative": fn,
    }


def binary_prediction_scores(
    rows: Classified, *, metric_types: Sequence[Prediction] = PREDICTIONS
) -> dict[str, Score]:
    """The scores of the predicted classes, by lower-case name; FPR is called `fp`.

    Raises:
        ValidationError: there is no such score.
    """
    for metric in metric_types:
        chosen("a metric type", metric, Prediction)
    return {
        "fp" if metric == "FPR" else metric.lower(): PREDICTION_SCORES[metric](rows)
        for metric in metric_types
    }


def threshold_variation_scores(
    rows: Classified, *, metric_types: Sequence[Threshold] = THRESHOLDS
) -> dict[str, Score]:
    """The areas under curves, by name.

    Raises:
        ValidationError: there is no such area.
    """
    for metric in metric_types:
        chosen("a metric type", metric, Threshold)
    return {metric: THRESHOLD_SCORES[metric](rows) for metric in metric_types}


def part_of(rows: Classified, part: Part) -> NDArray[np.float64]:
    """The probabilities of the positive class of all rows, or of those of one true class.

    Raises:
        ValidationError: there is no such part.
    """
    chosen("a split type", part, Part)
    match part:
        case "ALL":
            return rows.probability
        case "POSITIVE":
            return rows.probability[rows.true]
        case "NEGATIVE":
            return rows.probability[~rows.true]


def score_stats(
    rows: Classified, *, part: Part, stat_types: Sequence[Statistic] = STATISTICS
) -> dict[str, Score]:
    """Statistics of one part's probabilities; NaN where it has no rows.

    Raises:
        ValidationError: there is no such statistic.
    """
    probabilities = part_of(rows, part)
    return {stat: float(statistic(probabilities, stat)) for stat in stat_types}


def score_stat_by_part(
    rows: Classified, *, stat: Statistic, split_types: Sequence[Part] = PARTS
) -> dict[str, Score]:
    """One statistic of each part's probabilities; NaN where a part has no rows."""
    return {part: float(statistic(part_of(rows, part), stat)) for part in split_types}


def ground_truth_prob_stats(
    rows: Classified, *, stat_types: Sequence[Statistic] = STATISTICS
) -> dict[str, Score]:
    """Statistics of the probabilities given to the true classes, by lower-case name."""
    return {stat.lower(): float(statistic(rows.ground_truth, stat)) for stat in stat_types}


PLURALS: dict[Statistic, str] = {
    "MEAN": "MEANS",
    "STD": "STDS",
    "VARIANCE": "VARIANCES",
    "MEDIAN": "MEDIANS",
    "Q1": "FIRST_QUARTILES",
    "Q3": "THIRD_QUARTILES",
    "MIN": "MINIMA",
    "MAX": "MAXIMA",
}

SCORE_COLLECTIONS: Catalogue[Classified, dict[str, Score]] = catalogue(
    {
        "NORMALIZED_CONFUSION_COUNTS": normalized_confusion_counts,
        "BINARY_PREDICTION_SCORES": binary_prediction_scores,
        "THRESHOLD_VARIATION_SCORES": threshold_variation_scores,
        "SCORE_STATS": partial(score_stats, part="ALL"),
        "POSITIVE_CLASS_SCORE_STATS": partial(score_stats, part="POSITIVE"),
        "NEGATIVE_CLASS_SCORE_STATS": partial(score_stats, part="NEGATIVE"),
        **{
            f"SCORE_{name}": partial(score_stat_by_part, stat=stat)
            for stat, name in PLURALS.items()
        },
        "GROUND_TRUTH_PROB_STATS": ground_truth_prob_stats,
        "TUNED_THRESHOLD": tuned_threshold,
    }
)
"""Artifacts that answer several numbers."""
