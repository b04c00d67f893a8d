"""Figures: axes drawn by matplotlib's objects, never through its global state.

A figure made here belongs to nobody: it is drawn when it is saved, in whatever process that is.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

REAL, SYNTHETIC = "#2a6f97", "#e07a2f"
"""Colours of the two tables; told apart by the colour-blind too."""

POINTS = 200
"""At which a density is drawn."""

TICKS = 5
"""Steps of an axis at most: its numbers are made anew for each figure, and take much of its time."""

LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.25, 0.6, 0.4
"""Inches around a panel: for six digits and what they are, half a number, a number and its name, a title."""

HEAD = 0.5
"""Inches for the title of many panels."""


def panel(title: str, *, width: float = 6.0, height: float = 4.5) -> tuple[Figure, Axes]:
    """A figure of one panel; sizes in inches.

    Example:
        >>> figure, axes = panel("Losses")
        >>> axes.get_title()
        'Losses'
    """
    figure = Figure(figsize=(width, height), dpi=120)
    (axes,) = _grid(figure, 1, 1, 1)
    axes.set_title(_literal(title), y=1.0)
    return figure, axes


def panels(
    titles: Sequence[str], title: str, *, columns: int = 3, width: float = 4.0, height: float = 3.0
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, row by row; sizes are of one panel.

    Without titles the figure says that there is nothing to show.
    """
    columns = max(1, min(columns, len(titles)))
    rows = max(1, ceil(len(titles) / columns))
    size = (width * columns, height * rows + HEAD)
    figure = Figure(figsize=size, dpi=120)
    figure.suptitle(_literal(title), y=1 - 0.1 / size[1], va="top")
    axes = _grid(figure, rows, columns, max(1, len(titles)), head=HEAD)
    if not titles:
        note(axes[0], "no such columns")
        return figure, []
    for each, name in zip(axes, titles, strict=True):
        each.set_title(_literal(name), y=1.0)
    return figure, axes


def _grid(figure: Figure, rows: int, columns: int, count: int, *, head: float = 0.0) -> list[Axes]:
    """Panels in equal cells, with fixed room around each.

    matplotlib's own layouts draw all text twice to measure it, nearly half of what a figure takes.
    """
    width, height = figure.get_size_inches()
    across, down = width / columns, (height - head) / rows
    figure.subplots_adjust(
        left=LEFT / width,
        right=1 - RIGHT / width,
        bottom=BOTTOM / height,
        top=1 - (head + TOP) / height,
        wspace=(LEFT + RIGHT) / (across - LEFT - RIGHT),
        hspace=(BOTTOM + TOP) / (down - BOTTOM - TOP),
    )
    made = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for each in made:
        each.ticklabel_format(scilimits=(-3, 5))  # no number is longer than the room for it
        each.locator_params(nbins=TICKS)
    return made


def room(
    axes: Axes, labels: Sequence[str], size: float, *, below: bool = True, left: bool = False
) -> list[str]:
    """Make room for the labels of axes that do not count.

    Args:
        axes: Whose labels they are.
        labels: Any text.
        size: Of the letters, in points.
        below: Whether they stand on end below the one axis.
        left: Whether they stand beside the other.

    Returns:
        The labels as text that is no formula; one that would take more than half of the panel
        lacks its middle. Letters that are wider than Latin ones may be cut off.
    """
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    at = axes.get_position(original=True)  # and not what an image leaves of it
    letter = 0.62 * size / 72  # of the usual font, in inches, with some to spare
    most = max(3, int(at.height * height / 2 / letter))
    shown = [_shortened(text, most) for text in labels]
    longest = letter * max(map(len, shown), default=0)
    up = max(0.0, longest - BOTTOM + 0.15) / height if below else 0.0
    aside = max(0.0, longest - LEFT + 0.4) / width if left else 0.0
    axes.set_position((at.x0 + aside, at.y0 + up, at.width - aside, at.height - up))
    return [_literal(text) for text in shown]


def _shortened(text: str, most: int) -> str:
    """At most so many letters; the end stays, where names of a kind differ."""
    end = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - end]}…{text[-end:]}"


def note(axes: Axes, text: str) -> None:
    """Text in place of a plot that the data do not allow."""
    axes.text(0.5, 0.5, _literal(text), ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()


def densities(
    axes: Axes,
    samples: Mapping[str, NDArray[np.float64]],
    colours: Sequence[str],
    *,
    bins: int = 50,
) -> None:
    """Histograms of samples over common bins, as densities, with a smooth line for each.

    Args:
        axes: To draw on.
        samples: Float64 [N] by label; an empty one is left out.
        colours: One for each sample.
        bins: Of equal width over the range of all samples.
    """
    shown = {label: sample for label, sample in samples.items() if len(sample)}
    if not shown:
        note(axes, "no rows")
        return
    low = min(float(sample.min()) for sample in shown.values())
    high = max(float(sample.max()) for sample in shown.values())
    edges = np.histogram_bin_edges([], bins, (low, high))
    for (label, sample), colour in zip(samples.items(), colours, strict=True):
        if label not in shown:
            continue
        counts, _ = np.histogram(sample, edges, density=True)
        # One shape instead of one for each bin, which takes a tenth of the time.
        axes.stairs(counts, edges, fill=True, alpha=0.45, color=colour, label=label)
        if sample.min() < sample.max():
            at = np.linspace(low, high, POINTS)
            axes.plot(at, smooth(sample, at), color=colour)
    axes.set_ylabel("density")
    if len(samples) > 1:
        axes.legend()


def smooth(sample: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """A Gaussian kernel density estimate with Scott's bandwidth.

    Samples are first counted in 1,024 bins, so that time and memory do not grow with them; bins are
    narrower than the kernel unless a sample has beyond a million rows or very long tails.

    Args:
        sample: Float64 [N], at least two different values.
        at: Where to estimate, float64 [M].

    Returns:
        Float64 [M].
    """
    counts, edges = np.histogram(sample, 1024)
    centres, weights = (edges[:-1] + edges[1:])[counts > 0] / 2, counts[counts > 0] / len(sample)
    bandwidth = float(sample.std(ddof=1)) * len(sample) ** -0.2
    apart = (at[:, None] - centres) / bandwidth
    total = np.exp(-(apart**2) / 2) @ weights
    return np.asarray(total / (bandwidth * np.sqrt(2 * np.pi)), dtype=np.float64)


def heatmap(axes: Axes, matrix: NDArray[np.float64], names: Sequence[str], *, low: float) -> None:
    """A square matrix with its figures, on a scale from `low` to 1."""
    image = axes.imshow(matrix, cmap="RdBu_r" if low < 0 else "Reds", vmin=low, vmax=1.0)
    places, shown = range(len(names)), room(axes, names, 6, left=True)
    axes.set_xticks(places, shown, rotation=90, fontsize=6)
    axes.set_yticks(places, shown, fontsize=6)
    if len(names) <= 30:  # beyond, the figures cannot be read
        for (i, j), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=5, color=colour)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.colorbar(
        image, ax=axes, shrink=0.7, use_gridspec=False
    )  # which would take the room back


def literal_ticks(axes: Axes, labels: Sequence[str]) -> None:
    """Labels of bars at 0, 1, 2, ...; none where there are too many to be read."""
    if len(labels) > 40:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(labels)} categories")
        return
    axes.set_xticks(range(len(labels)), room(axes, labels, 10), rotation=90)


def _literal(text: str) -> str:
    """Text as it stands: a name with two dollar signs is no formula."""
    return text.replace("$", r"\$")
