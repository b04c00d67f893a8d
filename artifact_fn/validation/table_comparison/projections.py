"""Projections: the rows of both tables in one plane.

Each is fitted once, on the rows of both tables together, so that the axes mean the same in both.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from artifact_fn.errors import ValidationError
from artifact_fn.validation.table_comparison.encoded import Comparison

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of the real and the synthetic table: float64 [N, 2] and [M, 2]."""


def features(
    pair: Comparison, *, use_categorical: bool = True, standardize: bool = False
) -> tuple[NDArray[np.float64], int]:
    """The rows of both tables as numbers, real ones first.

    Args:
        pair: The two tables.
        use_categorical: Whether each category becomes a column of 0 and 1.
        standardize: Whether to bring each column to mean 0 and deviation 1 of both tables.

    Returns:
        Float64 [N + M, F], and N.

    Raises:
        ValidationError: there is no column left.
    """
    both = (pair.real, pair.synthetic)
    parts = [np.concatenate([table.numbers for table in both])]
    if use_categorical:
        codes = np.concatenate([table.codes for table in both])
        parts += [
            np.eye(len(categories))[column]
            for categories, column in zip(pair.categories, codes.T, strict=True)
        ]
    rows = np.concatenate(parts, axis=1)
    if not rows.shape[1]:
        raise ValidationError(
            "a projection needs columns",
            got="no continuous column, and use_categorical=False",
            do="use the categorical ones",
        )
    if standardize:
        spread = rows.std(axis=0)
        rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return rows, len(pair.real)


def pca(pair: Comparison, *, use_categorical: bool = True, standardize: bool = False) -> Points:
    """The two principal components of both tables together.

    Columns enter as they are, so one of large spread leads; `standardize` gives all the same say.
    """
    rows, count = features(pair, use_categorical=use_categorical, standardize=standardize)
    return _along_axes(rows - rows.mean(axis=0), count)


def truncated_svd(
    pair: Comparison, *, use_categorical: bool = True, standardize: bool = False
) -> Points:
    """The two leading singular directions of both tables together, about the origin."""
    rows, count = features(pair, use_categorical=use_categorical, standardize=standardize)
    return _along_axes(rows, count)


def tsne(
    pair: Comparison,
    *,
    use_categorical: bool = True,
    perplexity: float = 30,
    learning_rate: float | Literal["auto"] = "auto",
    max_iter: int = 1000,
    standardize: bool = False,
    seed: int = 0,
) -> Points:
    """An embedding of both tables together that keeps neighbours (t-SNE, van der Maaten 2008).

    Args:
        pair: The two tables.
        use_categorical: Whether categories take part.
        perplexity: About how many neighbours a row has; below the number of rows.
        learning_rate: Of the embedding.
        max_iter: Its iterations, at least 250.
        standardize: Whether columns are brought to one scale first.
        seed: Of the embedding's start.

    Raises:
        ValidationError: `perplexity` is not below the rows of both tables.
    """
    rows, count = features(pair, use_categorical=use_categorical, standardize=standardize)
    if not 0 < perplexity < len(rows):
        raise ValidationError(
            "t-SNE's perplexity is above 0 and below the rows of both tables",
            got=f"{perplexity} for {len(rows)} rows",
            do="give a smaller one",
        )
    model = TSNE(
        n_components=2,
        perplexity=perplexity,
        learning_rate=learning_rate,
        max_iter=max_iter,
        init="pca" if rows.shape[1] > 1 else "random",
        random_state=seed,
    )
    plane = np.asarray(model.fit_transform(rows), dtype=np.float64)
    return plane[:count], plane[count:]


def _along_axes(rows: NDArray[np.float64], count: int) -> Points:
    _, _, directions = np.linalg.svd(rows, full_matrices=False)
    axes = np.zeros((2, rows.shape[1]))
    axes[: len(directions[:2])] = directions[:2]
    # A direction is one up to its sign: its largest weight is made positive.
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[[0, 1], largest])
    plane = rows @ (axes * signs[:, None]).T
    return plane[:count], plane[count:]
