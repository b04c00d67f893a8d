"""Associations: how strongly each pair of a table's columns goes together."""

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from artifact_fn.validation.artifacts import chosen
from artifact_fn.validation.table_comparison.encoded import Encoded

CategoricalAssociation = Literal["THEILS_U", "CRAMERS_V"]
ContinuousAssociation = Literal["PEARSON", "SPEARMAN", "KENDALL"]


def associations(
    table: Encoded,
    *,
    categorical_association_type: CategoricalAssociation = "CRAMERS_V",
    continuous_association_type: ContinuousAssociation = "PEARSON",
) -> NDArray[np.float64]:
    """The association of every pair of columns, in the order of the specification.

    Two continuous columns have a correlation in [-1, 1]; two categorical ones Cramer's V, corrected
    for bias (Bergsma 2013; with Yates' correction for 2 x 2), or Theil's U, where [i, j] is how much
    j says about i; one of each kind the correlation ratio; these are in [0, 1]. A column
    with itself has 1. What is undefined counts as 0: everything about a constant column, itself included.

    Args:
        table: Encoded table.
        categorical_association_type: Between labels.
        continuous_association_type: Between numbers.

    Returns:
        float64 [columns, columns].

    Raises:
        ValidationError: there is no such association.
    """
    chosen("categorical_association_type", categorical_association_type, CategoricalAssociation)
    chosen("continuous_association_type", continuous_association_type, ContinuousAssociation)
    names = table.spec.names
    matrix = np.zeros((len(names), len(names)))
    # Only what varies is associated with anything.
    numbers = {}
    for name, column in zip(table.spec.continuous, table.numbers.T, strict=True):
        low, high = column.min(), column.max()
        if low != high:  # brought to [0, 1], so that no square over- or underflows
            numbers[names.index(name)] = (column - low) / (high - low)
    labels = {}
    for name, column in zip(table.spec.categorical, table.codes.T, strict=True):
        observed, codes = np.unique(column, return_inverse=True)
        if len(observed) > 1:
            labels[names.index(name)] = codes
    for i in [*numbers, *labels]:
        matrix[i, i] = 1.0
    if len(numbers) > 1:
        at = np.array(list(numbers))
        matrix[np.ix_(at, at)] = _correlations(list(numbers.values()), continuous_association_type)
    for i, j in combinations(labels, 2):
        if categorical_association_type == "CRAMERS_V":
            matrix[i, j] = matrix[j, i] = _cramers_v(labels[i], labels[j])
        else:
            matrix[i, j], matrix[j, i] = _theils_u(labels[i], labels[j])
    for i, codes in labels.items():
        if numbers:
            ratios = _correlation_ratios(codes, np.stack(list(numbers.values()), axis=1))
            for j, ratio in zip(numbers, ratios, strict=True):
                matrix[i, j] = matrix[j, i] = ratio
    return matrix


def _correlations(
    columns: list[NDArray[np.float64]], kind: ContinuousAssociation
) -> NDArray[np.float64]:
    if kind == "KENDALL":
        matrix = np.eye(len(columns))
        for i, j in combinations(range(len(columns)), 2):
            matrix[i, j] = matrix[j, i] = kendalltau(columns[i], columns[j]).statistic
        return matrix
    ranked = [rankdata(column) for column in columns] if kind == "SPEARMAN" else columns
    correlations: NDArray[np.float64] = np.corrcoef(np.stack(ranked)).clip(-1.0, 1.0)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _counts(
    a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The cells of a contingency table that are not empty: (row, column, count)."""
    wide = int(b.max()) + 1
    cells = int(a.max() + 1) * wide
    if cells <= 4 * len(a) + 4096:
        dense = np.bincount(a * wide + b, minlength=cells)
        (flat,) = np.nonzero(dense)
        counts = dense[flat]
    else:
        flat, counts = np.unique(a * wide + b, return_counts=True)
    return flat // wide, flat % wide, counts


def _cramers_v(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    n, (i, j, counts) = len(a), _counts(a, b)
    rows, columns = np.bincount(a), np.bincount(b)
    r, k = len(rows), len(columns)
    if r == k == 2:
        dense = np.zeros((2, 2))
        dense[i, j] = counts
        expected = np.outer(rows, columns) / n
        apart = np.abs(dense - expected)
        chi2 = float(((apart - np.minimum(0.5, apart)) ** 2 / expected).sum())
    else:
        expected = rows[i] * columns[j] / n
        # An empty cell adds its expectation; all expectations add up to n.
        chi2 = float(((counts - expected) ** 2 / expected).sum()) + max(
            0.0, n - float(expected.sum())
        )
    phi2 = max(0.0, chi2 / n - (k - 1) * (r - 1) / (n - 1))
    least = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
    return min(1.0, float(np.sqrt(phi2 / least))) if least > 0 else 0.0


def _theils_u(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[float, float]:
    """What b says about a, and a about b."""
    joint = _entropy(_counts(a, b)[2])
    of_a, of_b = _entropy(np.bincount(a)), _entropy(np.bincount(b))
    shared = of_a + of_b - joint
    return tuple(float(np.clip(shared / of, 0.0, 1.0)) for of in (of_a, of_b))  # type: ignore[return-value]


def _entropy(counts: NDArray[np.int64]) -> float:
    p = counts / counts.sum()
    return float(-(p * np.log(p)).sum())


def _correlation_ratios(
    codes: NDArray[np.int64], numbers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of one column of labels with each column of numbers: [C]."""
    apart = numbers - numbers.mean(axis=0)
    counts = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) for column in apart.T], axis=1) / counts[:, None]
    between = (counts[:, None] * means**2).sum(axis=0)
    ratio: NDArray[np.float64] = np.sqrt(between / (apart**2).sum(axis=0)).clip(0.0, 1.0)
    return ratio
