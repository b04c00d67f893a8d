"""Calibration: whether probabilities are what happens."""

import numpy as np
from numpy.typing import NDArray

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import Plot, Score
from artifact_fn.validation.binary_classification.classified import Classified
from artifact_fn.validation.figures import panel


def brier(rows: Classified) -> Score:
    """The mean squared difference of probability and outcome, in [0, 1]; Brier 1950."""
    return float(np.mean((rows.probability - rows.true) ** 2))


def calibration(rows: Classified, *, bins: int = 10) -> NDArray[np.float64]:
    """What was said and what happened, by bins of the probability of equal width.

    Args:
        rows: The classification.
        bins: Of [0, 1]; the last one holds 1.

    Returns:
        Float64 [bins, 3]: mean probability, share of positives, share of all rows. The first two are
        NaN in a bin without rows.

    Raises:
        ValidationError: there are less than one bins.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValidationError(
            "probabilities are grouped in bins", got=repr(bins), do="give at least 1"
        )
    place = np.minimum((rows.probability * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins).astype(np.float64)
    sums = [
        np.bincount(place, values.astype(np.float64), minlength=bins)
        for values in (rows.probability, rows.true)
    ]
    means = [np.divide(s, counts, out=np.full(bins, np.nan), where=counts > 0) for s in sums]
    return np.stack([*means, counts / len(rows)], axis=1)


def expected_calibration_error(rows: Classified, *, bins: int = 10) -> Score:
    """The mean gap of probability and frequency over bins, weighted by rows, in [0, 1]; Naeini 2015."""
    said, happened, share = calibration(rows, bins=bins).T
    held = share > 0
    return float((np.abs(said - happened) * share)[held].sum())


def reliability_plot(rows: Classified, *, bins: int = 10) -> Plot:
    """How often rows are positive, by how probable that was said to be."""
    said, happened, share = calibration(rows, bins=bins).T
    error = expected_calibration_error(rows, bins=bins)
    figure, axes = panel("Reliability")
    axes.plot([0.0, 1.0], [0.0, 1.0], color="black", linestyle="--", linewidth=1, label="ideal")
    edges = np.arange(bins) / bins
    axes.bar(edges, share, 1 / bins, align="edge", alpha=0.25, color="#888888", label="rows")
    held = share > 0
    axes.plot(
        said[held],
        happened[held],
        marker="o",
        color="#2a6f97",
        label=f"observed (expected error {error:.3f})",
    )
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share of positives")
    axes.legend()
    return figure
