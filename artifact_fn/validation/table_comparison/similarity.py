"""Similarity: how far columns, and pairs of columns, are distributed alike.

Kolmogorov-Smirnov and total variation are distances by column; the two similarities of pairs are
those of SDMetrics (1 is alike), over the pairs of one kind.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from artifact_fn.validation.artifacts import Score
from artifact_fn.validation.table_comparison.associations import (
    ContinuousAssociation,
    associations,
)
from artifact_fn.validation.table_comparison.encoded import Comparison


def kolmogorov_smirnov(pair: Comparison) -> dict[str, Score]:
    """The largest gap between the distribution functions of each continuous column, in [0, 1]."""
    gaps = {}
    for i, name in enumerate(pair.spec.continuous):
        real, synthetic = np.sort(pair.real.numbers[:, i]), np.sort(pair.synthetic.numbers[:, i])
        at = np.concatenate([real, synthetic])
        shares = [np.searchsorted(v, at, side="right") / len(v) for v in (real, synthetic)]
        gaps[name] = float(np.abs(shares[0] - shares[1]).max())
    return gaps


def total_variation(pair: Comparison) -> dict[str, Score]:
    """Half the summed differences of each categorical column's frequencies, in [0, 1]."""
    return {
        name: _variation(pair.real.codes[:, i], pair.synthetic.codes[:, i])
        for i, name in enumerate(pair.spec.categorical)
    }


def correlation_similarity(
    pair: Comparison, *, continuous_association_type: ContinuousAssociation = "PEARSON"
) -> Score:
    """The mean of 1 - |r_real - r_synthetic| / 2 over pairs of continuous columns.

    Args:
        pair: The two tables.
        continuous_association_type: Which correlation; a constant column has 0 with all others.

    Returns:
        In [0, 1]; NaN where there are less than two such columns.

    Raises:
        ValidationError: there is no such correlation.
    """
    names = pair.spec.names
    at = [names.index(name) for name in pair.spec.continuous]
    real, synthetic = (
        associations(table, continuous_association_type=continuous_association_type)
        for table in (pair.real, pair.synthetic)
    )
    gaps = [abs(float(real[i, j] - synthetic[i, j])) for i, j in combinations(at, 2)]
    return 1.0 - float(np.mean(gaps)) / 2.0 if gaps else float("nan")


def contingency_similarity(pair: Comparison) -> Score:
    """The mean of 1 - total variation of the joint frequencies, over pairs of categorical columns.

    Returns:
        In [0, 1]; NaN where there are less than two such columns.
    """
    similar = []
    for i, j in combinations(range(len(pair.categories)), 2):
        wide = len(pair.categories[j])
        joint = [t.codes[:, i] * wide + t.codes[:, j] for t in (pair.real, pair.synthetic)]
        similar.append(1.0 - _variation(*joint))
    return float(np.mean(similar)) if similar else float("nan")


def _variation(real: NDArray[np.int64], synthetic: NDArray[np.int64]) -> float:
    _, codes = np.unique(np.concatenate([real, synthetic]), return_inverse=True)
    size = int(codes.max()) + 1
    shares = [
        np.bincount(part, minlength=size) / len(part)
        for part in (codes[: len(real)], codes[len(real) :])
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
