"""Isolation: a run that is told of is the run that is not, to the bit, and so is the process."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact_fn import tree
from artifact_fn.runs import run
from artifact_fn.runs.trackers import (
    ClearML,
    FileSystem,
    Memory,
    MLflow,
    TensorBoard,
    Tracker,
    WandB,
)
from tests.runs.examples import done, experiment, left
from tests.runs.trackers.examples import Shaky, failing

TRACKERS: dict[str, tuple[str, Callable[[Path], Tracker]]] = {
    "memory": ("attrs", lambda place: Memory()),
    "files": ("attrs", lambda place: FileSystem(place)),
    "down": ("attrs", lambda place: Shaky(Memory(), failing(iter([True] * 1000)))),
    "tensorboard": ("tensorboard", lambda place: TensorBoard(place)),
    "mlflow": ("mlflow", lambda place: MLflow(f"sqlite:///{place}.db")),
    "wandb": ("wandb", lambda place: WandB("p", offline=place)),
    "clearml": ("clearml", lambda place: ClearML("p", offline=place)),
}


def generators() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    drawn = tree.digest(torch.random.get_rng_state())
    return random.getstate(), name, np.asarray(keys).tolist(), rest, drawn


@pytest.mark.filterwarnings("ignore")  # of the backends' clients
@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_changes_nothing(name: str, tmp_path: Path) -> None:
    package, made = TRACKERS[name]
    pytest.importorskip(package)
    alone = done(run(experiment(), tmp_path / "alone", show=lambda stream: stream))
    before = generators()
    linger = 0.0 if name == "down" else 60.0
    told = done(
        run(
            experiment(),
            tmp_path / "told",
            trackers=[made(tmp_path / "place")],
            linger=linger,
            show=lambda stream: stream,
        )
    )
    assert generators() == before
    assert left(told) == left(alone)
