"""A small model, its data and its parts, shared by the tests of training."""

from typing import Any

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artifact_fn import optim, random
from artifact_fn.data import Loader, Table
from artifact_fn.optim import Optimizer
from artifact_fn.training import (
    Model,
    Objective,
    Step,
    TrainState,
    functional,
    metrics,
    supervised,
    train_step,
)


def mlp() -> nn.Module:
    """4 features to 3 classes, with BatchNorm and dropout."""
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 3)
    )


def columns(rows: int, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Features and classes that depend on them."""
    x = random.normal(random.key(99), (rows, 4), dtype=dtype)
    return {"x": x, "y": (x[:, 0] > 0).to(torch.int64) + (x[:, 1] > 0.5).to(torch.int64)}


def loader(rows: int, size: int, **options: Any) -> Loader:
    """Batches of `columns`."""
    return Loader(Table(columns(rows)), size, **options)


@attrs.frozen(eq=False)
class Parts:
    """Everything a step is made of, and the step."""

    model: Model
    objective: Objective
    optimizer: Optimizer
    state: TrainState
    step: Step[TrainState]


def parts(
    optimizer: Optimizer | None = None, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Parts:
    """Parts for `mlp` and `columns`."""
    model = functional(lambda: mlp().to(dtype))
    objective = supervised(
        model, F.cross_entropy, metrics=[metrics.accuracy(), metrics.confusion(3)]
    )
    chosen = optimizer or optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(1e-2))
    state = TrainState.create(model, chosen, seed=seed)
    return Parts(model, objective, chosen, state, train_step(objective, chosen))
