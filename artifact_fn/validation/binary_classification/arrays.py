"""Arrays: confusion matrices."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from artifact_fn.validation.artifacts import Array, Catalogue, catalogue, chosen
from artifact_fn.validation.binary_classification.classified import Classified
from artifact_fn.validation.binary_classification.scores import confusion

Normalization = Literal["NONE", "TRUE", "PRED", "ALL"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)


def confusion_matrix(rows: Classified, *, normalization: Normalization = "NONE") -> Array:
    """True classes by predicted ones, the positive class first.

    Args:
        rows: The classification.
        normalization: Counts; or shares of each true class (row), of each predicted class
            (column), or of all. A class without rows has shares 0.

    Returns:
        Float64 [2, 2].

    Raises:
        ValidationError: there is no such normalization.

    Example:
        >>> from artifact_fn.validation.binary_classification import BinarySpec, classified
        >>> spec = BinarySpec(("no", "yes"), positive="yes")
        >>> rows = classified(spec, ["yes", "no", "no"], predicted=["yes", "yes", "no"])
        >>> confusion_matrix(rows, normalization="TRUE").tolist()
        [[1.0, 0.0], [0.5, 0.5]]
    """
    chosen("normalization", normalization, Normalization)
    tp, fp, tn, fn = confusion(rows)
    counts = np.array([[tp, fn], [fp, tn]], dtype=np.float64)
    if normalization == "NONE":
        return counts
    axis = {"TRUE": 1, "PRED": 0, "ALL": None}[normalization]
    whole = counts.sum(axis=axis, keepdims=True)
    shares = np.zeros((2, 2))
    np.divide(counts, whole, out=shares, where=whole > 0)
    return shares


def confusion_matrices(
    rows: Classified, *, normalization_types: Sequence[Normalization] = NORMALIZATIONS
) -> dict[str, Array]:
    """`confusion_matrix` by normalization."""
    return {kind: confusion_matrix(rows, normalization=kind) for kind in normalization_types}


ARRAYS: Catalogue[Classified, Array] = catalogue({"CONFUSION_MATRIX": confusion_matrix})
"""Artifacts that answer one array."""

ARRAY_COLLECTIONS: Catalogue[Classified, dict[str, Array]] = catalogue(
    {"CONFUSION_MATRICES": confusion_matrices}
)
"""Artifacts that answer several arrays."""
