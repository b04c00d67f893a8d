"""Plots: figures of what routines have made, drawn by matplotlib's objects.

Each is a function of a routine's results by name, for `with_plots`. A figure belongs to nobody: it
is drawn when it is saved, and matplotlib's global state is neither read nor changed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from artifact_fn.errors import ScoreError
from artifact_fn.extras import extra
from artifact_fn.training.distribution import density, quantile, share_of_zeros

with extra("validation", "matplotlib"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

Results = Mapping[str, Any]
"""Floats and arrays by name, without the split."""

Draw = Callable[[Results], Figure]

COLOUR = "#2a6f97"
_COLUMNS = 4
_MOST = 32
"""Panels of one figure."""


def distributions(
    tap: str, *, title: str | None = None, axis: str = "value", reducer: str = "histogram"
) -> Draw:
    """The density of each layer's values, a panel a layer.

    The range is that of the middle 99 % of them; exact zeros are left out of the density, and
    their share is in the legend.

    Args:
        tap: Name of a tap that keeps a histogram.
        title: Of the figure; the tap's name if left out.
        axis: What the values are.
        reducer: Name of the histogram's reducer.

    Returns:
        A function that raises ScoreError where the tap has left no histogram.

    Example:
        >>> drawn = distributions("activations", axis="activation")
        >>> counts = np.ones(515, dtype=np.int64)
        >>> drawn({"activations/0/histogram": counts}).axes[0].get_xlabel()
        'activation'
    """

    def draw(results: Results) -> Figure:
        found = {
            name.removeprefix(f"{tap}/").removesuffix(f"/{reducer}"): np.asarray(counts)
            for name, counts in results.items()
            if name.startswith(f"{tap}/") and name.endswith(f"/{reducer}")
        }
        if not found:
            raise _missing(f"{tap}/.../{reducer}", results)
        shown = list(found)[:_MOST]
        figure, axes = _panels(title or tap.replace("_", " "), shown, of=len(found))
        for layer, panel in zip(shown, axes, strict=True):
            _density(panel, found[layer], axis)
        return figure

    return draw


def bars(tap: str, *, title: str | None = None, axis: str, log: bool = False) -> Draw:
    """One number a layer, as bars from the first layer down.

    Args:
        tap: Name of a tap that makes one score a layer, e.g. `gradient_norm`.
        title: Of the figure; the tap's name if left out.
        axis: What the numbers are, with their unit.
        log: Whether the axis is logarithmic.

    Returns:
        A function that raises ScoreError where there is no such score.

    Example:
        >>> drawn = bars("gradient_norm", axis="2-norm")
        >>> drawn({"gradient_norm/0": 0.5, "gradient_norm/2": 0.25}).axes[0].get_xlabel()
        '2-norm'
    """

    def draw(results: Results) -> Figure:
        found = {
            name.removeprefix(f"{tap}/"): float(value)
            for name, value in results.items()
            if name.startswith(f"{tap}/") and np.ndim(value) == 0
        }
        if not found:
            raise _missing(f"{tap}/...", results)
        figure = Figure(figsize=(6, 1.4 + 0.3 * len(found)), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        drawn = axes.barh(range(len(found)), list(found.values()), color=COLOUR)
        axes.bar_label(drawn, [f"{value:.2g}" for value in found.values()], padding=3, fontsize=8)
        axes.margins(x=0.15)
        if log:
            axes.set_xscale("log")
        axes.set_yticks(range(len(found)), [_literal(layer) for layer in found])
        axes.invert_yaxis()
        axes.set_xlabel(axis)
        axes.set_ylabel("layer")
        axes.set_title(title or tap.replace("_", " "))
        return figure

    return draw


def confusion(
    metric: str = "confusion", *, classes: Sequence[str] | None = None, title: str | None = None
) -> Draw:
    """A matrix of counts, truth by prediction; colours are shares of a row.

    Args:
        metric: Name of a `metrics.confusion`.
        classes: Their names; numbers if left out.
        title: Of the figure; the metric's name if left out.

    Returns:
        A function that raises ScoreError where there is no such array.

    Example:
        >>> figure = confusion(classes=["no", "yes"])({"confusion": np.eye(2)})
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['no', 'yes']
    """

    def draw(results: Results) -> Figure:
        if metric not in results:
            raise _missing(metric, results)
        counts = np.asarray(results[metric])
        names = [str(i) for i in range(len(counts))] if classes is None else list(classes)
        side = 2.2 + 0.42 * len(names)
        figure = Figure(figsize=(side + 0.8, side), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        places = range(len(names))
        axes.set_xticks(places, [_literal(name) for name in names])
        axes.set_yticks(places, [_literal(name) for name in names])
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if shares[i, j] > 0.6 else "black"
            axes.text(j, i, f"{int(count)}", ha="center", va="center", fontsize=8, color=colour)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(title or metric)
        figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
        return figure

    return draw


def _density(axes: Axes, counts: Any, axis: str) -> None:
    low, high = quantile(counts, 0.005), quantile(counts, 0.995)
    zeros = share_of_zeros(counts)
    if np.isfinite(low) and low < high:
        borders, found = density(counts, low, high, bins=60)
        axes.stairs(found, borders, fill=True, color=COLOUR, alpha=0.75, label=f"{zeros:.0%} zero")
        axes.legend(fontsize=7, loc="upper right", handlelength=1.0)
    else:
        text = "nothing" if np.isnan(low) else "all in one bin"
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_xlabel(axis, fontsize=8)
    axes.set_ylabel("density", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(4))  # more of them would overlap


def _panels(title: str, names: Sequence[str], *, of: int) -> tuple[Figure, list[Axes]]:
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    size = (2.9 * columns, 2.2 * rows + 0.5)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    more = f" (the first {len(names)} of {of} layers)" if of > len(names) else ""
    figure.suptitle(_literal(title) + more)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(len(names))]
    for each, name in zip(axes, names, strict=True):
        each.set_title(_literal(name), fontsize=9)
    return figure, axes


def _literal(text: str) -> str:
    """Text as it stands: a name with two dollar signs is no formula."""
    return text.replace("$", r"\$")


def _missing(name: str, results: Results) -> ScoreError:
    return ScoreError(
        f"a plot is drawn of {name!r}, which the routine has not made",
        got=f"{', '.join(results) or 'nothing'}",
        do="give the routine the tap or metric that makes it",
    )


def is_figure(artifact: Any) -> bool:
    """Whether an artifact is a figure (and not an array).

    Example:
        >>> is_figure(Figure()), is_figure(np.ones(2))
        (True, False)
    """
    return isinstance(artifact, Figure)
