"""Drawn: a chart as SVG, by matplotlib.

There is no text in it but numbers, so that no name of a run, split or score can do harm or be
mistaken for a formula; names are in the page around it. The figure is made without pyplot, which
would keep it and ask for a display.
"""

import io
import math
from collections.abc import Mapping, Sequence

import attrs
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artifact_fn.runs.reports.curves import Chart, Curve, thinned

COLOURS = ("#0065a3", "#c24e00", "#00735a", "#9a3d86", "#7a5c00", "#404040")
"""Told apart by the colour-blind too, and dark enough to be seen on white (4.5 to 1)."""

DASHES = ("", "5 2", "1.5 1.5", "6 2 1.5 2", "9 3", "3 3")
"""The second way in which curves differ: colours get lost in print."""

_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "artifact_fn", "font.family": "sans-serif"}


@attrs.frozen
class Stroke:
    """How a curve is drawn.

    Attributes:
        colour: As HTML says it.
        dash: As SVG says it; empty for a whole line.
    """

    colour: str
    dash: str


def strokes(names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Stroke]:
    """How curves are drawn, by (run, split): by colours of runs where there are several.

    Example:
        >>> [s.dash for s in strokes([("a", "train"), ("a", "val")]).values()]
        ['', '5 2']
    """
    runs = list(dict.fromkeys(run for run, _ in names))
    splits = list(dict.fromkeys(split for _, split in names))
    return {
        (run, split): Stroke(
            COLOURS[(runs.index(run) if len(runs) > 1 else splits.index(split)) % len(COLOURS)],
            DASHES[splits.index(split) % len(DASHES)],
        )
        for run, split in names
    }


def svg(
    chart: Chart, strokes: Mapping[tuple[str, str], Stroke], best: Mapping[str, int | None]
) -> tuple[str, bool]:
    """A chart as an SVG document, and whether its scale is logarithmic.

    Args:
        chart: What to draw.
        strokes: Of every curve in it.
        best: The best epoch of each run, which is marked on its curves; None for none.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 3.0), layout="constrained")
        axes = figure.subplots()
        for curve in chart.curves:
            _draw(axes, curve, strokes[curve.run, curve.split], best.get(curve.run))
        logarithmic = _wide(chart)
        if logarithmic:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.tick_params(labelsize=9, colors="#404040")
        axes.grid(color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    return text[text.index("<svg") :], logarithmic


def _draw(axes: Axes, curve: Curve, stroke: Stroke, best: int | None) -> None:
    kept = thinned(curve.values)
    epochs = [curve.epochs[i] for i in kept]
    pattern = [float(part) for part in stroke.dash.split()]
    axes.plot(
        epochs,
        [curve.values[i] for i in kept],
        color=stroke.colour,
        linestyle=(0, pattern) if pattern else "-",
        linewidth=1.6,
        marker="o" if len(kept) == 1 else None,
        markersize=4,
    )
    if curve.low:
        low, high = [curve.low[i] for i in kept], [curve.high[i] for i in kept]
        axes.fill_between(epochs, low, high, color=stroke.colour, alpha=0.15, linewidth=0)
    measured = dict(zip(curve.epochs, curve.values, strict=True))
    if best is not None:
        axes.axvline(best, color=stroke.colour, linewidth=0.8, linestyle=":")
        if best in measured:
            axes.plot([best], [measured[best]], "o", color=stroke.colour, markersize=5)
    if curve.epochs:
        end = curve.epochs[-1]
        axes.plot([end], [measured[end]], "s", color=stroke.colour, markersize=4, fillstyle="none")


def _wide(chart: Chart) -> bool:
    """Whether values span so much that a logarithm shows them better."""
    values = [v for c in chart.curves for v in (*c.values, *c.low) if math.isfinite(v)]
    return bool(values) and min(values) > 0 and max(values) / min(values) > 50
