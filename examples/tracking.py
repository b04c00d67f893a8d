"""A run that is told of while it is trained.

    python examples/tracking.py [--backend BACKEND] [--uri URI] [--out DIR]

Backends are memory, files, tensorboard, mlflow, wandb and clearml; the last two write offline.

Trains a small classifier with a plot every other epoch. The last line is a JSON object: the
backend, epochs, and how many points the journal has. With `--backend mlflow` and no `--uri`,
`mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db` shows the curves and the plots.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from returns.unsafe import unsafe_perform_io
from torch import nn

import artifact_fn as af
from artifact_fn import random
from artifact_fn.folds import every
from artifact_fn.runs.trackers import (
    ClearML,
    FileSystem,
    Memory,
    MLflow,
    TensorBoard,
    Tracker,
    WandB,
)
from artifact_fn.training import Routine, TrainState, eager
from artifact_fn.training.routines import Prepared


def weights_plot(state: TrainState) -> Any:
    """The first layer's weights, as a picture."""
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.set_title(f"weights after {int(state.step)} steps")
    axes.imshow(state.params["0.weight"].numpy(), aspect="auto")
    return {}, {"train/weights": figure}


def tracker(backend: str, uri: str | None, out: Path) -> Tracker:
    """Of a name."""
    made: dict[str, Any] = {
        "memory": lambda: Memory(),
        "files": lambda: FileSystem(out / "told"),
        "tensorboard": lambda: TensorBoard(out / "logs"),
        "mlflow": lambda: MLflow(uri or f"sqlite:///{out.absolute()}/mlflow.db", "tracking"),
        "wandb": lambda: WandB("tracking", offline=out / "told"),
        "clearml": lambda: ClearML("tracking", offline=out / "told"),
    }
    found: Tracker = made[backend]()
    return found


def experiment() -> af.Experiment:
    """A small classifier, with a plot every other epoch."""
    model = af.functional(lambda: nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2)))
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    x = random.normal(random.key(1), (768, 8))
    y = (x[:, 0] * x[:, 1] > 0).to(torch.int64)
    return af.Experiment(
        model=model,
        objective=objective,
        optimizer=af.optim.adamw(1e-2),
        data={
            af.Split.TRAIN: af.Loader(af.Table({"x": x[:512], "y": y[:512]}), 32),
            af.Split.VALIDATION: af.Loader(af.Table({"x": x[512:], "y": y[512:]}), 256),
        },
        routines=[
            af.evaluation("val", objective),
            Routine("weights", every(2), lambda wrap, state: Prepared(frozenset(), weights_plot)),
        ],
        until=af.at_most(12),
        select=af.best("val/loss"),
        wrap=eager,
    )


def main() -> None:
    """Train, tell, and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", default="memory", help="where it is told")
    parser.add_argument("--uri", help="of a server, for mlflow")
    parser.add_argument("--out", type=Path, help="where all goes; a temporary directory")
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp(prefix="tracking-"))
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    told = tracker(options.backend, options.uri, out)
    run = unsafe_perform_io(
        af.run(experiment(), out / "run", trackers=[told], linger=60, show=af.progress).unwrap()
    )
    history = run.answers["history"]
    count = int(history.notna().to_numpy().sum())
    print(json.dumps({"backend": options.backend, "epochs": run.last.index, "points": count}))


if __name__ == "__main__":
    main()
