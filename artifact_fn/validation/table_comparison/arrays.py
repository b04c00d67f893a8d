"""Arrays: descriptive statistics of both tables side by side."""

from functools import partial

import numpy as np

from artifact_fn.validation.artifacts import Array, Catalogue, catalogue
from artifact_fn.validation.statistics import Statistic, statistic
from artifact_fn.validation.table_comparison.encoded import Comparison

NAMES: dict[str, Statistic] = {
    "MEAN": "MEAN",
    "STD": "STD",
    "VARIANCE": "VARIANCE",
    "MEDIAN": "MEDIAN",
    "FIRST_QUARTILE": "Q1",
    "THIRD_QUARTILE": "Q3",
    "MIN": "MIN",
    "MAX": "MAX",
}
"""The statistics by what artifacts are called."""


def juxtaposition(pair: Comparison, *, stat: Statistic) -> dict[str, Array]:
    """One statistic of each continuous column: [real, synthetic], float64 [2].

    Raises:
        ValidationError: there is no such statistic.
    """
    both = np.stack([statistic(t.numbers, stat) for t in (pair.real, pair.synthetic)], axis=1)
    return dict(zip(pair.spec.continuous, both, strict=True))


ARRAYS: Catalogue[Comparison, Array] = catalogue({})
"""Artifacts that answer one array: there are none."""

ARRAY_COLLECTIONS: Catalogue[Comparison, dict[str, Array]] = catalogue(
    {f"{name}_JUXTAPOSITION": partial(juxtaposition, stat=stat) for name, stat in NAMES.items()}
)
"""Artifacts that answer an array for each continuous column."""
