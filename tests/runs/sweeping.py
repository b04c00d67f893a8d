"""A workflow to sweep, in a module that workers can import."""

from collections.abc import Mapping
from typing import Any

import attrs
import torch
import torch.nn.functional as F

from artifact_fn import optim
from artifact_fn.folds import at_most, best, diverged
from artifact_fn.folds.cadence import Cadence
from artifact_fn.training import (
    Experiment,
    best_of_each,
    eager,
    ensemble,
    evaluate_each,
    evaluation,
    functional,
    supervised,
    train_each,
)
from tests.training.examples import loader, mlp

TRAIN, VAL = loader(48, 16), loader(32, 16)
EPOCHS = 6


def one(point: Mapping[str, Any], every: int | Cadence = 1, **changes: Any) -> Experiment:
    """A small model at a learning rate; 3 steps an epoch."""
    model = functional(mlp)
    objective = supervised(model, F.cross_entropy)
    options: dict[str, Any] = {
        "model": model,
        "objective": objective,
        "optimizer": optim.sgd(point["lr"]),
        "data": {"train": TRAIN, "val": VAL},
        "until": at_most(EPOCHS),
        "routines": [evaluation("val", objective, every=every)],
        "select": best("val/loss"),
        "wrap": eager,
    }
    return Experiment(**{**options, **changes})


def many(point: Mapping[str, Any]) -> Experiment:
    """Three seeds at a learning rate."""
    plain = attrs.evolve(one(point), routines=(), select=None)
    together = ensemble(plain.model, plain.optimizer, seeds=3)
    return train_each(
        together,
        plain,
        routines=[evaluate_each(together, "val", plain.objective, VAL)],
        select=best_of_each("val/loss", 3),
    )


def spoilt(point: Mapping[str, Any]) -> Experiment:
    """Fails in one of several ways, as its point says."""
    if point["kind"] == "mistake":
        return one(point, routines=())  # nothing makes val/loss
    if point["kind"] == "no experiment":
        return 3  # type: ignore[return-value]
    if point["kind"] == "bug":
        raise ZeroDivisionError("a bug of the workflow's own")
    if point["kind"] == "nan":
        return one({"lr": torch.finfo(torch.float32).max})
    if point["kind"] == "nan scores":
        return one({"lr": 0.1}, until=diverged() | at_most(2))
    return one(point)
