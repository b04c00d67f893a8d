"""A stopper of one's own, in four lines: training has left validation behind.

    python examples/custom_stopper.py [--eager] [--out DIR]

It is tried on plain numbers first, then ends a run that would have gone on for two hundred
epochs. Draws both losses and where it stopped. The last line printed is one JSON object.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn

import artifact_fn as af
from artifact_fn import random
from artifact_fn.folds import Epoch, Stop, Stopper, run, stopper


def left_behind(ratio: float, times: int) -> Stopper[Epoch[Any]]:
    """Stops when the validation loss is so much larger than that of training, so often in a row."""

    def step(since: int, epoch: Epoch[Any]) -> int:
        return since + 1 if epoch.scores["val/loss"] > ratio * epoch.scores["train/loss"] else 0

    stop = Stop(f"val/loss was above {ratio:g} times train/loss for {times} epochs")
    return stopper(lambda: 0, step, lambda since: stop if since >= times else None)


def try_it() -> None:
    """On a list of numbers: no data, no model."""
    losses = [(0.7, 0.7), (0.4, 0.9), (0.6, 0.7), (0.3, 0.8), (0.2, 0.9)]
    epochs = [
        Epoch(i, None, {"train/loss": train, "val/loss": val})
        for i, (train, val) in enumerate(losses, start=1)
    ]
    stopping = left_behind(2.0, times=2).fold
    assert run(stopping, epochs[:4]) is None
    assert run(stopping, epochs) == Stop("val/loss was above 2 times train/loss for 2 epochs")


def main(out: Path | None, *, eager: bool) -> dict[str, Any]:
    """Try, train, draw."""
    try_it()
    x = random.normal(random.key(1), (256, 16))
    y = (x[:, 0] + x[:, 1] + random.normal(random.key(2), (256,)) > 0).to(torch.int64)
    train = af.Loader(af.Table({"x": x[:128], "y": y[:128]}), batch_size=32)
    val = af.Loader(af.Table({"x": x[128:], "y": y[128:]}), batch_size=128)
    model = af.functional(lambda: nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 2)))
    objective = af.supervised(model, F.cross_entropy)
    optimizer = af.optim.adamw(3e-3)
    step = af.train_step(objective, optimizer)
    ended = af.fit(
        af.epochs(
            step if eager else af.compiled(step),
            af.TrainState.create(model, optimizer, seed=0),
            train,
            routines=[af.evaluation("val", objective, val)],
        ),
        until=left_behind(2.0, times=3) | af.at_most(200),
        history=af.history(),
        best=af.best("val/loss"),
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        ended.answers["history"][["train/loss", "val/loss"]].plot(ax=axes)
        axes.axvline(ended.answers["best"].index, color="grey", linestyle=":", label="best")
        axes.set(ylabel="loss", title=ended.stop.reason)
        axes.title.set_fontsize(9)
        axes.legend(frameon=False)
        figure.savefig(out / "custom_stopper.png", dpi=120)
    return {
        "epochs": ended.last.index,
        "stop": ended.stop.reason,
        "best_epoch": ended.answers["best"].index,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--eager", action="store_true", help="do not compile")
    parser.add_argument("--out", type=Path, help="where the picture goes")
    options = parser.parse_args()
    print(json.dumps(main(options.out, eager=options.eager)))
