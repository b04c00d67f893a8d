"""Activations: the density of what all layers put out, as one figure, left undrawn."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from artifact_fn.training.distribution import density, quantile
from artifact_fn.validation.figures import panel


def pdf(results: Mapping[str, Any]) -> Any:
    """What draws it: a function and the layers' counts, summed."""
    counts = [np.asarray(x) for name, x in results.items() if name.endswith("/histogram")]
    return partial(drawn, np.sum(counts, axis=0))


def drawn(counts: np.ndarray) -> Figure:
    """The density of the middle 99 % of them."""
    figure, axes = panel("All layers: activations")
    borders, height = density(counts, quantile(counts, 0.005), quantile(counts, 0.995))
    axes.stairs(height, borders, fill=True, alpha=0.45)
    axes.set_xlabel("activation")
    axes.set_ylabel("density")
    return figure
