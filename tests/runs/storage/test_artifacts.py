"""Artifacts: figures as files."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from artifact_fn.runs.storage.artifacts import rendered


@pytest.mark.parametrize("background", ["white", "none", (0.1, 0.5, 0.9, 0.5)])
def test_a_figure_has_the_pixels_that_savefig_writes(background: str) -> None:
    figure = Figure((3, 2), dpi=90, facecolor=background)
    axes = figure.subplots()
    axes.set_facecolor(background)
    axes.plot([0, 1, 4], alpha=0.5)
    axes.set_title("a title")
    theirs = io.BytesIO()
    figure.savefig(theirs, format="png")
    suffix, ours = rendered("val/CURVE", figure)
    assert suffix == ".png"
    with Image.open(io.BytesIO(ours)) as image, Image.open(theirs) as other:
        assert image.mode == ("RGB" if background == "white" else "RGBA")
        assert (np.asarray(image.convert("RGBA")) == np.asarray(other.convert("RGBA"))).all()
        assert image.info["dpi"] == pytest.approx(other.info["dpi"])
