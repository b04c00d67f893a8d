"""Neighbours: whether synthetic rows are copies of real ones.

Two rows are as far apart as their columns on average: labels by 0 or 1, numbers by their difference
over the real column's range (Gower 1971).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from artifact_fn.validation.artifacts import Score
from artifact_fn.validation.table_comparison.encoded import Comparison, Encoded

CELLS = 2**22
"""Distances that are held at once: 32 MB of them, and as much again while they are added."""


def nearest(
    rows: Encoded, among: Encoded, scale: NDArray[np.float64], *, count: int = 1
) -> NDArray[np.float64]:
    """The distances of each row to its nearest ones, in chunks so that memory stays bounded.

    Args:
        rows: Whose neighbours, N of them.
        among: Where they are looked for, with the same codes.
        scale: What makes each continuous column's differences 1, float64 [C].
        count: How many neighbours, at most the rows of `among`.

    Returns:
        Float64 [N, count], nearest first.
    """
    columns = len(rows.spec.names)
    chunk = max(1, CELLS // len(among))
    found = np.empty((len(rows), count))
    numbers = among.numbers / scale
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        differing = np.zeros((len(rows.codes[part]), len(among)), dtype=np.int16)
        for own, other in zip(rows.codes[part].T, among.codes.T, strict=True):
            differing += own[:, None] != other
        apart = differing.astype(np.float64)
        if numbers.shape[1]:
            apart += cdist(rows.numbers[part] / scale, numbers, "cityblock")
        everyone = np.arange(len(apart))
        for i in range(count):  # few are asked for: sweeps beat sorting
            closest = apart.argmin(axis=1)
            found[part, i] = apart[everyone, closest]
            apart[everyone, closest] = np.inf
    return found / columns


def distance_to_closest_record(pair: Comparison) -> dict[str, Score]:
    """How near synthetic rows come to real ones, and how near real ones come to each other.

    Synthetic rows that are much nearer to real rows than those are to each other were learnt by heart.

    Returns:
        `SYNTHETIC` and `REAL`: the median distance of such a row to the nearest (other) real one;
        NaN for `REAL` where there is one real row. `COPIES`: the share of synthetic rows at distance 0.
    """
    scale = _scale(pair.real)
    synthetic = nearest(pair.synthetic, pair.real, scale)[:, 0]
    # The nearest of a real row is itself.
    alone = len(pair.real) == 1
    real = np.nan if alone else np.median(nearest(pair.real, pair.real, scale, count=2)[:, 1])
    return {
        "SYNTHETIC": float(np.median(synthetic)),
        "REAL": float(real),
        "COPIES": float((synthetic == 0.0).mean()),
    }


def nearest_neighbour_ratio(pair: Comparison) -> Score:
    """The median ratio of a synthetic row's distances to its nearest and second nearest real row.

    In [0, 1]; near 0 where synthetic rows cling to single real ones. Rows whose two nearest are both at
    distance 0 count as 1, since no single one is meant. NaN where there is one real row.
    """
    if len(pair.real) == 1:
        return float("nan")
    two = nearest(pair.synthetic, pair.real, _scale(pair.real), count=2)
    ratio = np.divide(two[:, 0], two[:, 1], out=np.ones(len(two)), where=two[:, 1] > 0)
    return float(np.median(ratio))


def _scale(table: Encoded) -> NDArray[np.float64]:
    span: NDArray[np.float64] = table.numbers.max(axis=0) - table.numbers.min(axis=0)
    return np.where(span > 0, span, 1.0)
