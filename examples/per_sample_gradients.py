"""Per-sample gradients: which rows a model would rather not believe.

    python examples/per_sample_gradients.py [--flipped 30] [--epochs 8] [--out DIR]

Labels of some training rows are flipped on purpose. After a few epochs in which each row's gradient
is clipped, the norm of every row's own gradient is asked for in one call: those of flipped rows
are the largest. Draws the two kinds. The last line printed is one JSON object.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import random
from artifact_fn.training import per_sample_grads

ROWS = 512


def columns(flipped: int, seed: int) -> tuple[dict[str, Tensor], Tensor]:
    """Rows in a random order, and which of them have a wrong label."""
    measurements, benign = load_breast_cancer(return_X_y=True)
    order = random.permutation(random.key(seed), len(benign))[:ROWS]
    x = torch.as_tensor(scale(measurements), dtype=torch.float32)[order]
    wrong = torch.arange(ROWS) < flipped
    y = torch.as_tensor(benign)[order]
    return {"x": x, "y": torch.where(wrong, 1 - y, y)}, wrong


def main(flipped: int, epochs: int, out: Path | None, seed: int = 0) -> dict[str, float]:
    """Train, ask each row, draw."""
    rows, wrong = columns(flipped, seed)
    model = af.functional(lambda: nn.Sequential(nn.Linear(30, 16), nn.Tanh(), nn.Linear(16, 2)))
    objective = af.supervised(model, F.cross_entropy)
    optimizer = af.optim.adamw(1e-2)
    # No row may pull further than any other: the mean is of gradients of at most this norm.
    step = af.train_step(objective, optimizer, clip_rows=0.5)
    state = af.TrainState.create(model, optimizer, seed=seed)
    train = af.Loader(af.Table(rows), batch_size=64)
    state = af.fit(af.epochs(step, state, train), until=af.at_most(epochs)).last.state

    grads, metrics = per_sample_grads(objective)(state.params, state.buffers, rows, state.key)
    norms = torch.stack([grad.flatten(1).square().sum(1) for grad in grads.values()]).sum(0).sqrt()
    worst = norms.argsort(descending=True)[:flipped]
    caught = int(wrong[worst].sum())
    print(f"{caught} of the {flipped} rows with the largest gradients have a flipped label")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        bins = torch.linspace(0, float(norms.max()), 40).tolist()
        axes.hist(norms[~wrong].numpy(), bins=bins, label="label as it is")
        axes.hist(norms[wrong].numpy(), bins=bins, label="label flipped")
        axes.set(xlabel="norm of the row's gradient", ylabel="rows", yscale="log")
        axes.legend(frameon=False)
        figure.savefig(out / "per_sample_gradients.png", dpi=120)
    return {
        "caught": caught,
        "flipped": flipped,
        "loss": round(float(metrics["loss"].answer()), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--flipped", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, help="where the picture goes")
    options = parser.parse_args()
    print(json.dumps(main(options.flipped, options.epochs, options.out)))
