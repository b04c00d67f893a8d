"""Plots: both tables in one figure."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from artifact_fn.validation.artifacts import Artifact, Catalogue, Plot, catalogue
from artifact_fn.validation.figures import (
    REAL,
    SYNTHETIC,
    densities,
    heatmap,
    literal_ticks,
    panel,
    panels,
)
from artifact_fn.validation.statistics import Statistic
from artifact_fn.validation.table_comparison.arrays import NAMES, juxtaposition
from artifact_fn.validation.table_comparison.associations import (
    CategoricalAssociation,
    ContinuousAssociation,
    associations,
)
from artifact_fn.validation.table_comparison.encoded import Comparison
from artifact_fn.validation.table_comparison.projections import Points, pca, truncated_svd, tsne


def pdf(pair: Comparison) -> Plot:
    """The distribution of every column: densities of numbers, frequencies of categories."""
    figure, axes = panels(pair.spec.names, "Distributions")
    for each, name in zip(axes, pair.spec.names, strict=False):
        _distribution(each, pair, name)
    return figure


def pdfs(pair: Comparison) -> dict[str, Plot]:
    """`pdf`, a figure for each column."""
    figures = {}
    for name in pair.spec.names:
        figures[name], axes = panel(f"Distribution of {name}")
        _distribution(axes, pair, name)
    return figures


def cdf(pair: Comparison) -> Plot:
    """The empirical distribution function of every continuous column."""
    figure, axes = panels(pair.spec.continuous, "Cumulative distributions")
    for i, each in enumerate(axes):
        _cumulative(each, pair, i)
    return figure


def cdfs(pair: Comparison) -> dict[str, Plot]:
    """`cdf`, a figure for each continuous column."""
    figures = {}
    for i, name in enumerate(pair.spec.continuous):
        figures[name], axes = panel(f"Cumulative distribution of {name}")
        _cumulative(axes, pair, i)
    return figures


def stat_alignment(pair: Comparison, *, stat: Statistic) -> Plot:
    """One statistic of every continuous column, real against synthetic.

    Both are shown as ln(|value| + 1e-5), so that columns of every scale fit; equal ones lie on the line.
    """
    figure, axes = panel(f"{stat} of continuous columns (log-abs)")
    _alignment(axes, pair, stat)
    return figure


def descriptive_stats_alignment(pair: Comparison) -> Plot:
    """`stat_alignment` of all eight statistics."""
    figure, axes = panels([*NAMES], "Descriptive statistics (log-abs)", columns=4)
    for each, stat in zip(axes, NAMES.values(), strict=True):
        _alignment(each, pair, stat)
    return figure


def correlation_heatmaps(
    pair: Comparison,
    *,
    categorical_association_type: CategoricalAssociation = "CRAMERS_V",
    continuous_association_type: ContinuousAssociation = "PEARSON",
) -> dict[str, Plot]:
    """The associations of the real and the synthetic table, and how far they are apart."""
    figures = {}
    for name, (matrix, low) in _matrices(
        pair, categorical_association_type, continuous_association_type
    ).items():
        figures[name], axes = panel(f"Associations: {name.lower()}", width=7, height=6)
        heatmap(axes, matrix, pair.spec.names, low=low)
    return figures


def correlation_heatmap_juxtaposition(
    pair: Comparison,
    *,
    categorical_association_type: CategoricalAssociation = "CRAMERS_V",
    continuous_association_type: ContinuousAssociation = "PEARSON",
) -> Plot:
    """`correlation_heatmaps` beside each other."""
    matrices = _matrices(pair, categorical_association_type, continuous_association_type)
    figure, axes = panels([*matrices], "Associations", width=5.5, height=5)
    for each, (matrix, low) in zip(axes, matrices.values(), strict=True):
        heatmap(each, matrix, pair.spec.names, low=low)
    return figure


def projection(
    pair: Comparison, *, method: Artifact[Comparison, Points], name: str, **parameters: Any
) -> Plot:
    """Both tables in one plane: beside each other on the same axes.

    Args:
        pair: The two tables.
        method: `pca`, `truncated_svd`, `tsne` or a function like them.
        name: Of the method, for the title.
        parameters: Passed on to the method.

    Raises:
        ValidationError: the method cannot project these tables.
    """
    real, synthetic = method(pair, **parameters)
    figure, axes = panels(["Real", "Synthetic"], f"{name} of both tables", columns=2, height=4)
    for each, points, colour in zip(axes, (real, synthetic), (REAL, SYNTHETIC), strict=True):
        each.scatter(points[:, 0], points[:, 1], s=8, alpha=0.5, color=colour)
        each.set_xlabel("dimension 1")
    axes[0].set_ylabel("dimension 2")
    axes[1].sharex(axes[0])
    axes[1].sharey(axes[0])
    axes[0].autoscale()
    return figure


def _distribution(axes: Axes, pair: Comparison, name: str) -> None:
    both = {"real": pair.real, "synthetic": pair.synthetic}
    if name in pair.spec.continuous:
        i = pair.spec.continuous.index(name)
        samples = {label: table.numbers[:, i] for label, table in both.items()}
        densities(axes, samples, (REAL, SYNTHETIC))
        return
    i = pair.spec.categorical.index(name)
    categories = pair.categories[i]
    for (label, table), colour, shift in zip(
        both.items(), (REAL, SYNTHETIC), (-0.2, 0.2), strict=True
    ):
        counts = np.bincount(table.codes[:, i], minlength=len(categories))
        at = np.arange(len(categories)) + shift
        axes.bar(at, counts / len(table), width=0.4, color=colour, label=label)
    literal_ticks(axes, categories)
    axes.set_ylabel("frequency")
    axes.legend()


def _cumulative(axes: Axes, pair: Comparison, i: int) -> None:
    for label, table, colour in (
        ("real", pair.real, REAL),
        ("synthetic", pair.synthetic, SYNTHETIC),
    ):
        values = np.sort(table.numbers[:, i])
        share = np.arange(1, len(values) + 1) / len(values)
        axes.plot(values, share, drawstyle="steps-post", color=colour, label=label)
    axes.set_ylabel("share of rows")
    axes.legend()


def _alignment(axes: Axes, pair: Comparison, stat: Statistic) -> None:
    values = juxtaposition(pair, stat=stat)
    points: NDArray[np.float64] = np.log(np.abs(np.array([*values.values()]).reshape(-1, 2)) + 1e-5)
    axes.scatter(points[:, 0], points[:, 1], color=SYNTHETIC)
    known = points[np.isfinite(points)]
    if len(known):
        axes.axline((float(known.min()),) * 2, slope=1.0, color=REAL, alpha=0.5)
    axes.set_xlabel("real")
    axes.set_ylabel("synthetic")


def _matrices(
    pair: Comparison, categorical: CategoricalAssociation, continuous: ContinuousAssociation
) -> dict[str, tuple[NDArray[np.float64], float]]:
    """Each matrix with the least value of its scale."""
    real, synthetic = (
        associations(
            table,
            categorical_association_type=categorical,
            continuous_association_type=continuous,
        )
        for table in (pair.real, pair.synthetic)
    )
    return {
        "Real": (real, -1.0),
        "Synthetic": (synthetic, -1.0),
        "Absolute Difference": (np.abs(real - synthetic), 0.0),
    }


PLOTS: Catalogue[Comparison, Plot] = catalogue(
    {
        "PDF": pdf,
        "CDF": cdf,
        "DESCRIPTIVE_STATS_ALIGNMENT": descriptive_stats_alignment,
        **{f"{name}_ALIGNMENT": partial(stat_alignment, stat=s) for name, s in NAMES.items()},
        "CORRELATION_HEATMAP_JUXTAPOSITION": correlation_heatmap_juxtaposition,
        "PCA_JUXTAPOSITION": partial(projection, method=pca, name="PCA"),
        "TRUNCATED_SVD_JUXTAPOSITION": partial(
            projection, method=truncated_svd, name="Truncated SVD"
        ),
        "TSNE_JUXTAPOSITION": partial(projection, method=tsne, name="t-SNE"),
    }
)
"""Artifacts that answer one figure."""

PLOT_COLLECTIONS: Catalogue[Comparison, dict[str, Plot]] = catalogue(
    {"PDF": pdfs, "CDF": cdfs, "CORRELATION_HEATMAPS": correlation_heatmaps}
)
"""Artifacts that answer several figures."""
