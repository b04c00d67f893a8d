"""Experiments: a small one, to try runs, folds and trackers on in milliseconds."""

import torch
import torch.nn.functional as F
from torch import nn

from artifact_fn import random
from artifact_fn.data import Loader, Split, Table
from artifact_fn.folds import at_most, best
from artifact_fn.optim import adamw
from artifact_fn.training import Experiment, eager, evaluation, functional, supervised


def small_experiment(*, epochs: int = 2, seed: int = 0) -> Experiment:
    """A line between two classes, 16 rows in batches of 4, validated on 8; it is not compiled.

    Args:
        epochs: When it ends, at least 1.
        seed: Of weights and orders; the rows are always the same.

    Raises:
        FoldError: `epochs` is below 1.
        KeyDataError: when it begins, the seed is out of range.

    Example:
        >>> small_experiment(epochs=3).fit()
        Run(3 epochs, '3 epochs are done', train/loss=..., val/loss=..., answers: history, selected)
    """
    x = random.normal(random.key(1), (24, 2))
    y = (x[:, 0] > x[:, 1]).to(torch.int64)
    model = functional(lambda: nn.Linear(2, 2))
    objective = supervised(model, F.cross_entropy)
    return Experiment(
        model=model,
        objective=objective,
        optimizer=adamw(0.1),
        data={
            Split.TRAIN: Loader(Table({"x": x[:16], "y": y[:16]}), 4),
            Split.VALIDATION: Loader(Table({"x": x[16:], "y": y[16:]}), 8),
        },
        routines=[evaluation("val", objective)],
        until=at_most(epochs),
        select=best("val/loss"),
        seed=seed,
        wrap=eager,
    )
