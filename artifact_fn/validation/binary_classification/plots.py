"""Plots: a classification's errors, thresholds and probabilities."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import det_curve, precision_recall_curve, roc_curve

from artifact_fn.validation.artifacts import Catalogue, Plot, catalogue, chosen
from artifact_fn.validation.binary_classification.arrays import (
    NORMALIZATIONS,
    Normalization,
    confusion_matrix,
)
from artifact_fn.validation.binary_classification.calibration import reliability_plot
from artifact_fn.validation.binary_classification.classified import Classified
from artifact_fn.validation.binary_classification.score_collections import PARTS, Part, part_of
from artifact_fn.validation.binary_classification.scores import pr_auc, roc_auc
from artifact_fn.validation.figures import densities, note, panel, room

Curve = Literal["ROC", "PR", "DET", "RECALL_THRESHOLD", "PRECISION_THRESHOLD"]
CURVES: tuple[Curve, ...] = get_args(Curve)
POSITIVE, NEGATIVE, ALL = "#2b8a5a", "#c8553d", "#2a6f97"
BINS = 70


def confusion_matrix_plot(rows: Classified, *, normalization: Normalization = "NONE") -> Plot:
    """`confusion_matrix`, the right predictions in green and the wrong ones in red."""
    matrix = confusion_matrix(rows, normalization=normalization)
    shares = {
        "NONE": "rows",
        "TRUE": "shares of the true class",
        "PRED": "shares of the predicted class",
    }
    title = f"Confusion matrix ({shares.get(normalization, 'shares of all rows')})"
    figure, axes = panel(title, width=5.0, height=4.2)
    most = float(matrix.max()) or 1.0
    signed = matrix * np.array([[1.0, -1.0], [-1.0, 1.0]])
    image = axes.imshow(signed, cmap="RdYlGn", vmin=-most, vmax=most)
    for (i, j), value in np.ndenumerate(matrix):
        text = f"{value:.0f}" if normalization == "NONE" else f"{value:.2f}"
        colour = "white" if value > 0.6 * most else "black"
        axes.text(j, i, text, ha="center", va="center", color=colour)
    classes = (rows.spec.positive, rows.spec.negative)
    names = room(axes, classes, 10, below=False, left=True)
    axes.set_xticks([0, 1], names)
    axes.set_yticks([0, 1], names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(image, ax=axes, shrink=0.8, use_gridspec=False)
    return figure


def confusion_matrix_plots(
    rows: Classified, *, normalization_types: Sequence[Normalization] = NORMALIZATIONS
) -> dict[str, Plot]:
    """`confusion_matrix_plot` by normalization."""
    return {kind: confusion_matrix_plot(rows, normalization=kind) for kind in normalization_types}


def threshold_curve(rows: Classified, *, curve: Curve) -> Plot:
    """One curve over all thresholds, with what chance would give.

    A figure that says so where the curve needs a class that does not occur.

    Raises:
        ValidationError: there is no such curve.
    """
    chosen("a curve type", curve, Curve)
    title, x, y, draw, both = _CURVES[curve]
    figure, axes = panel(title)
    if not rows.true.any() or (both and rows.true.all()):
        note(axes, "needs both classes" if both else "needs the positive class")
        return figure
    draw(axes, rows)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.05)
    axes.grid(visible=True, linestyle="--", alpha=0.5)
    axes.legend()
    return figure


def threshold_variation_curves(
    rows: Classified, *, curve_types: Sequence[Curve] = CURVES
) -> dict[str, Plot]:
    """`threshold_curve` by lower-case name."""
    return {curve.lower(): threshold_curve(rows, curve=curve) for curve in curve_types}


def score_pdf(rows: Classified) -> Plot:
    """The probabilities of the positive class, by true class."""
    figure, axes = panel("P(positive) by true class")
    samples = {"positive": part_of(rows, "POSITIVE"), "negative": part_of(rows, "NEGATIVE")}
    densities(axes, samples, (POSITIVE, NEGATIVE), bins=BINS)
    return figure


def score_pdf_plots(rows: Classified, *, split_types: Sequence[Part] = PARTS) -> dict[str, Plot]:
    """The probabilities of the positive class of all rows and of each true class."""
    colours = {"ALL": ALL, "POSITIVE": POSITIVE, "NEGATIVE": NEGATIVE}
    figures: dict[str, Plot] = {}
    for part in split_types:
        figures[part], axes = panel(f"P(positive): {part.lower()} rows")
        densities(axes, {part: part_of(rows, part)}, (colours[part],), bins=BINS)
    return figures


def ground_truth_prob_pdf(rows: Classified) -> Plot:
    """The probabilities that were given to the true classes."""
    figure, axes = panel("P(true class)")
    densities(axes, {"all": rows.ground_truth}, (ALL,), bins=BINS)
    return figure


def _roc(axes: Axes, rows: Classified) -> None:
    fpr, tpr, _ = roc_curve(rows.true, rows.probability)
    axes.plot(fpr, tpr, color=ALL, label=f"ROC (area {roc_auc(rows):.3f})")
    _baseline(axes, 0.0, 1.0)


def _pr(axes: Axes, rows: Classified) -> None:
    precision, recall, _ = precision_recall_curve(rows.true, rows.probability)
    axes.plot(recall, precision, color=ALL, label=f"PR (average precision {pr_auc(rows):.3f})")
    _baseline(axes, *(float(rows.true.mean()),) * 2)


def _det(axes: Axes, rows: Classified) -> None:
    fpr, fnr, _ = det_curve(rows.true, rows.probability)
    axes.plot(fpr, fnr, color=ALL, label="DET")
    _baseline(axes, 1.0, 0.0)


def _recall(axes: Axes, rows: Classified) -> None:
    # The first threshold is infinite: nothing is predicted positive there.
    _, tpr, thresholds = roc_curve(rows.true, rows.probability)
    axes.plot(thresholds[1:], tpr[1:], color=ALL, label="recall")
    _baseline(axes, 1.0, 0.0)


def _precision(axes: Axes, rows: Classified) -> None:
    # The last precision, 1 by convention, has no threshold.
    precision, _, thresholds = precision_recall_curve(rows.true, rows.probability)
    axes.plot(thresholds, precision[:-1], color=ALL, label="precision")
    _baseline(axes, *(float(rows.true.mean()),) * 2)


def _baseline(axes: Axes, left: float, right: float) -> None:
    axes.plot([0.0, 1.0], [left, right], color="black", linestyle="--", linewidth=1, label="chance")


_CURVES: dict[Curve, tuple[str, str, str, Callable[[Axes, Classified], None], bool]] = {
    "ROC": ("Receiver operating characteristic", "false positive rate", "recall", _roc, True),
    "PR": ("Precision by recall", "recall", "precision", _pr, False),
    "DET": ("Detection error tradeoff", "false positive rate", "false negative rate", _det, True),
    "RECALL_THRESHOLD": ("Recall by threshold", "threshold", "recall", _recall, True),
    "PRECISION_THRESHOLD": (
        "Precision by threshold",
        "threshold",
        "precision",
        _precision,
        False,
    ),
}
"""Title, axes, drawing, and whether negatives are needed too."""

PLOTS: Catalogue[Classified, Plot] = catalogue(
    {
        "CONFUSION_MATRIX_PLOT": confusion_matrix_plot,
        "ROC_CURVE": partial(threshold_curve, curve="ROC"),
        "PR_CURVE": partial(threshold_curve, curve="PR"),
        "DET_CURVE": partial(threshold_curve, curve="DET"),
        "RECALL_THRESHOLD_CURVE": partial(threshold_curve, curve="RECALL_THRESHOLD"),
        "PRECISION_THRESHOLD_CURVE": partial(threshold_curve, curve="PRECISION_THRESHOLD"),
        "SCORE_PDF": score_pdf,
        "GROUND_TRUTH_PROB_PDF": ground_truth_prob_pdf,
        "RELIABILITY": reliability_plot,
    }
)
"""Artifacts that answer one figure."""

PLOT_COLLECTIONS: Catalogue[Classified, dict[str, Plot]] = catalogue(
    {
        "CONFUSION_MATRIX_PLOTS": confusion_matrix_plots,
        "THRESHOLD_VARIATION_CURVES": threshold_variation_curves,
        "SCORE_PDF_PLOTS": score_pdf_plots,
    }
)
"""Artifacts that answer several figures."""
