"""Scores: how far a synthetic table is from the real one, in numbers.

The catalogues name these and their neighbours'. Names, parameters and meaning are artifact-core's where
it has them; docs/validation.md lists the departures.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from artifact_fn.errors import ValidationError
from artifact_fn.validation.artifacts import Catalogue, Score, catalogue, chosen
from artifact_fn.validation.table_comparison.associations import (
    CategoricalAssociation,
    ContinuousAssociation,
    associations,
)
from artifact_fn.validation.table_comparison.encoded import Comparison
from artifact_fn.validation.table_comparison.neighbours import (
    distance_to_closest_record,
    nearest_neighbour_ratio,
)
from artifact_fn.validation.table_comparison.similarity import (
    contingency_similarity,
    correlation_similarity,
    kolmogorov_smirnov,
    total_variation,
)

VectorDistance = Literal["L2", "MAE", "RMSE", "COSINE_SIMILARITY"]


def js_distance(
    pair: Comparison, *, n_bins_cts_histogram: int = 100, categorical_only: bool = False
) -> dict[str, Score]:
    """The Jensen-Shannon distance of each column's distributions.

    The square root of the divergence in nats, from 0 (equal) to sqrt(ln 2) = 0.833 (disjoint); Lin
    1991. Continuous columns are cut into bins of equal width over both tables' range.

    Args:
        pair: The two tables.
        n_bins_cts_histogram: Bins of a continuous column.
        categorical_only: Whether to leave the continuous columns out.

    Returns:
        By column, in the specification's order.

    Raises:
        ValidationError: there are less than one bins.
    """
    bins = n_bins_cts_histogram
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValidationError(
            "n_bins_cts_histogram counts bins",
            got=repr(bins),
            do="give a whole number of at least 1",
        )
    distances = {}
    for i, name in enumerate(pair.spec.categorical):
        distances[name] = _jensen_shannon(
            *(
                np.bincount(table.codes[:, i], minlength=len(pair.categories[i]))
                for table in (pair.real, pair.synthetic)
            )
        )
    if not categorical_only:
        for i, name in enumerate(pair.spec.continuous):
            distances[name] = _jensen_shannon(
                *_histograms(
                    pair.real.numbers[:, i], pair.synthetic.numbers[:, i], n_bins_cts_histogram
                )
            )
    return {name: distances[name] for name in pair.spec.names if name in distances}


def mean_js_distance(
    pair: Comparison, *, n_bins_cts_histogram: int = 100, categorical_only: bool = False
) -> Score:
    """The mean of `js_distance` over columns; NaN where there are none."""
    distances = js_distance(
        pair, n_bins_cts_histogram=n_bins_cts_histogram, categorical_only=categorical_only
    )
    return float(np.mean(list(distances.values()))) if distances else float("nan")


def correlation_distance(
    pair: Comparison,
    *,
    categorical_association_type: CategoricalAssociation = "CRAMERS_V",
    continuous_association_type: ContinuousAssociation = "PEARSON",
    vector_distance_metric: VectorDistance = "RMSE",
) -> Score:
    """How far the tables' `associations` are apart, over all cells of the two matrices.

    Args:
        pair: The two tables.
        categorical_association_type: Between labels.
        continuous_association_type: Between numbers.
        vector_distance_metric: Euclidean distance, mean absolute or root mean square difference;
            or the cosine, which is 1 for equal tables, and NaN where one of them has no varying column.

    Raises:
        ValidationError: there is no such association or distance.
    """
    chosen("vector_distance_metric", vector_distance_metric, VectorDistance)
    a, b = (
        associations(
            table,
            categorical_association_type=categorical_association_type,
            continuous_association_type=continuous_association_type,
        )
        for table in (pair.real, pair.synthetic)
    )
    match vector_distance_metric:
        case "L2":
            return float(np.linalg.norm(a - b))
        case "MAE":
            return float(np.abs(a - b).mean())
        case "RMSE":
            return float(np.sqrt(((a - b) ** 2).mean()))
        case "COSINE_SIMILARITY":
            lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
            return float((a * b).sum() / lengths) if lengths else float("nan")


def _histograms(
    real: NDArray[np.float64], synthetic: NDArray[np.float64], bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts in bins (a, b] over both ranges; the lowest value falls in the first."""
    low, high = min(real.min(), synthetic.min()), max(real.max(), synthetic.max())
    inner = np.linspace(low, high, bins + 1)[1:-1]
    return tuple(  # type: ignore[return-value]
        np.bincount(np.searchsorted(inner, sample, side="left"), minlength=bins)
        for sample in (real, synthetic)
    )


def _jensen_shannon(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    divergence = sum(float((x[x > 0] * np.log(x[x > 0] / middle[x > 0])).sum()) / 2 for x in (p, q))
    return float(np.sqrt(max(0.0, divergence)))


SCORES: Catalogue[Comparison, Score] = catalogue(
    {
        "MEAN_JS_DISTANCE": mean_js_distance,
        "CORRELATION_DISTANCE": correlation_distance,
        "CORRELATION_SIMILARITY": correlation_similarity,
        "CONTINGENCY_SIMILARITY": contingency_similarity,
        "NEAREST_NEIGHBOUR_RATIO": nearest_neighbour_ratio,
    }
)
"""Artifacts that answer one number."""

SCORE_COLLECTIONS: Catalogue[Comparison, dict[str, Score]] = catalogue(
    {
        "JS_DISTANCE": js_distance,
        "KOLMOGOROV_SMIRNOV": kolmogorov_smirnov,
        "TOTAL_VARIATION": total_variation,
        "DISTANCE_TO_CLOSEST_RECORD": distance_to_closest_record,
    }
)
"""Artifacts that answer several numbers, mostly one for each column."""
