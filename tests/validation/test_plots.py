"""Plots: what they show, that they can be drawn of anything, and that they touch nothing global."""

import io
import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from scipy.stats import gaussian_kde
from sklearn.decomposition import PCA

from artifact_fn.errors import ValidationError
from artifact_fn.validation import binary_classification as binary
from artifact_fn.validation import table_comparison as tables
from artifact_fn.validation.table_comparison.plots import projection
from artifact_fn.validation.table_comparison.projections import pca, truncated_svd, tsne
from tests.validation.test_against_artifact_core import data

SLOW = "TSNE_JUXTAPOSITION"


def drawn(figure: Figure) -> bytes:
    """A small PNG of it. A font may lack glyphs; that is the font's affair."""
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(held, format="png", dpi=30)
    return held.getvalue()


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize("name", [name for name in tables.PLOTS if name != SLOW])
def test_table_plots_draw(name: str) -> None:
    assert drawn(tables.PLOTS[name](data("tables", "mixed"))).startswith(b"\x89PNG")


@pytest.mark.parametrize("case", ["constant", "few rows", "labels", "numbers", "unicode", "unseen"])
def test_odd_tables_can_be_drawn(case: str) -> None:
    pair = data("tables", case)
    for name in (
        "PDF",
        "CDF",
        "STD_ALIGNMENT",
        "CORRELATION_HEATMAP_JUXTAPOSITION",
        "PCA_JUXTAPOSITION",
    ):
        assert drawn(tables.PLOTS[name](pair)), name
    for name, collection in tables.PLOT_COLLECTIONS.items():
        figures = collection(pair)
        assert all(isinstance(figure, Figure) for figure in figures.values())
        if figures and name != "PDF":
            assert drawn(next(iter(figures.values())))


def test_combined_figures_have_a_panel_for_each_part() -> None:
    pair = data("tables", "mixed")
    assert titles(tables.PLOTS["PDF"](pair)) == list(pair.spec.names)
    assert titles(tables.PLOTS["CDF"](pair)) == list(pair.spec.continuous)
    assert len(titles(tables.PLOTS["DESCRIPTIVE_STATS_ALIGNMENT"](pair))) == 8
    heatmaps = tables.PLOTS["CORRELATION_HEATMAP_JUXTAPOSITION"](pair)
    assert titles(heatmaps) == ["Real", "Synthetic", "Absolute Difference"]
    assert list(tables.PLOT_COLLECTIONS["CORRELATION_HEATMAPS"](pair)) == titles(heatmaps)
    assert titles(tables.PLOTS["PCA_JUXTAPOSITION"](pair)) == ["Real", "Synthetic"]
    # Six columns squared, three times, to two places.
    figures = [text.get_text() for axes in heatmaps.axes for text in axes.texts]
    assert len(figures) == 3 * 36
    assert figures[0] == "1.00"


def test_a_density_is_one() -> None:
    axes = tables.PLOT_COLLECTIONS["PDF"](data("tables", "mixed"))["age"].axes[0]
    for line in axes.lines:
        x, y = (np.asarray(v, float) for v in line.get_data())
        assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.05)
    areas = []
    for bars in axes.patches:
        assert isinstance(bars, StepPatch)
        heights, edges, _ = bars.get_data()
        areas.append(float(np.sum(heights * np.diff(edges))))
    assert areas == pytest.approx([1.0, 1.0])
    sample = data("tables", "mixed").real.numbers[:, 0]
    x, y = (np.asarray(v, float) for v in axes.lines[0].get_data())
    np.testing.assert_allclose(y, gaussian_kde(sample)(x), rtol=0.02, atol=1e-4)


@pytest.mark.parametrize("name", [*binary.PLOTS, *binary.PLOT_COLLECTIONS])
@pytest.mark.parametrize("case", ["random", "only positives", "only negatives", "one row"])
def test_binary_plots_draw(name: str, case: str) -> None:
    rows = data("labels", case)
    plot: Any = {**binary.PLOTS, **binary.PLOT_COLLECTIONS}[name]
    result = plot(rows)
    figures = [result] if isinstance(result, Figure) else list(result.values())
    assert figures
    assert drawn(figures[0])


def test_what_stands_at_an_axis_is_inside_the_figure() -> None:
    """Numbers of any size, and names that are long."""
    names = [f"a rather long name of kind {i}" for i in range(6)]
    draw = np.random.default_rng(0)
    real = pd.DataFrame(
        {
            "a name that goes on and on": draw.normal(size=60) * 1e-6,
            "tiny": 1e9 * draw.normal(size=60),
            "signed": -12345.678 + draw.normal(size=60),
            "kind of a thing": draw.choice(names, 60),
        }
    )
    spec = tables.TabularSpec.from_frame(real)
    pair = tables.compare(spec, real, real[::-1])
    labels = binary.classified(
        binary.BinarySpec((names[0], names[1]), positive=names[1]),
        draw.choice(names[:2], 40),
        probability=draw.uniform(size=40),
    )
    figures = {
        **{name: plot(pair) for name, plot in tables.PLOTS.items() if name != SLOW},
        **{name: plot(labels) for name, plot in binary.PLOTS.items()},
        **tables.PLOT_COLLECTIONS["PDF"](pair),
        **tables.PLOT_COLLECTIONS["CORRELATION_HEATMAPS"](pair),
    }
    shown = [text.get_text() for text in figures["kind of a thing"].axes[0].get_xticklabels()]
    assert len(set(shown)) == len(names), "names that are cut short still differ"
    for name, figure in figures.items():
        drawn(figure)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for axes in figure.axes:
            if not axes.axison:
                continue
            for axis in (axes.xaxis, axes.yaxis):
                box = axis.get_tightbbox(canvas.get_renderer())
                if box is None:  # nothing stands at it
                    continue
                beyond = [-box.x0, -box.y0, box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1]
                assert max(beyond) <= 1, (name, axes.get_title(), beyond)


def test_a_curve_says_which_class_it_lacks() -> None:
    def text(name: str, case: str) -> str:
        return binary.PLOTS[name](data("labels", case)).axes[0].texts[0].get_text()

    assert text("ROC_CURVE", "only positives") == "needs both classes"
    assert text("PR_CURVE", "only negatives") == "needs the positive class"


def test_projections_share_their_axes() -> None:
    """Fitted on both tables: the same row stands at the same place in both panels."""
    pair = data("tables", "mixed")
    twice = tables.Comparison(pair.real, pair.real)
    for method in (pca, truncated_svd):
        real, synthetic = method(twice)
        np.testing.assert_array_equal(real, synthetic)
        real, _ = method(pair)
        assert real.shape == (160, 2)
    figure = tables.PLOTS["PCA_JUXTAPOSITION"](pair)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    for axes in (left, right):
        (points,) = (c for c in axes.collections if isinstance(c, PathCollection))
        x = np.asarray(points.get_offsets())[:, 0]
        assert left.get_xlim()[0] <= x.min()
        assert x.max() <= left.get_xlim()[1]


def test_pca_is_scikit_learns_up_to_signs() -> None:
    pair = data("tables", "mixed")
    frames = [
        np.concatenate(
            [
                table.numbers,
                pd.get_dummies(
                    pd.DataFrame(table.codes).astype(pd.CategoricalDtype(list(range(6))))
                ),
            ],
            axis=1,
        )
        for table in (pair.real, pair.synthetic)
    ]
    expected = PCA(2, svd_solver="full").fit_transform(np.concatenate(frames).astype(float))
    ours = np.concatenate(pca(pair))
    np.testing.assert_allclose(np.abs(ours), np.abs(expected), rtol=1e-6, atol=1e-6)


def test_tsne_honours_its_parameters_and_seed() -> None:
    pair = data("tables", "few rows")
    quick = partial(tsne, pair, perplexity=3, max_iter=250)
    one = quick()[0]
    np.testing.assert_array_equal(one, quick()[0])
    assert one.shape == (5, 2)
    for other in ({"perplexity": 2}, {"max_iter": 300}, {"learning_rate": 10.0}):
        assert not np.array_equal(one, tsne(pair, **{"perplexity": 3, "max_iter": 250, **other})[0])  # type: ignore[arg-type]
    assert drawn(projection(pair, method=tsne, name="t-SNE", perplexity=3, max_iter=250))


def test_projections_say_what_they_lack() -> None:
    with pytest.raises(
        ValidationError, match=r"perplexity is above 0 .* got 30 for 8 rows; give a"
    ):
        tables.PLOTS[SLOW](data("tables", "few rows"))
    with pytest.raises(ValidationError, match=r"a projection needs columns; got no continuous"):
        pca(data("tables", "labels"), use_categorical=False)


def test_standardized_columns_have_the_same_say() -> None:
    pair = data("tables", "numbers")
    raw, even = pca(pair)[0], pca(pair, standardize=True)[0]
    assert np.abs(raw).max() > 10 * np.abs(even).max()


def test_nothing_global_is_used() -> None:
    program = (
        "import sys, artifact_fn.validation.table_comparison, artifact_fn.validation.binary_classification;"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
