"""An optimizer of one's own, in ten lines: the sign of an average of the gradients.

    python examples/custom_optimizer.py [--epochs 12] [--eager] [--out DIR]

Signum (Bernstein et al., arXiv 1802.04434) is a rule like any other: tried by the laws, with a
schedule as its rate, compiled, and used beside AdamW on the same rows. Draws both curves. The last
line printed is one JSON object.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn.optim import Optimizer, Schedule, cosine, leafwise
from artifact_fn.testing import check_transform

Tensors = dict[str, Tensor]


def signum(lr: float | Schedule, momentum: float = 0.9) -> Optimizer:
    """Steps of one size, in the direction that most gradients have lately had."""

    def leaf(g: Tensor, p: Tensor, moments: Tensors, hyper: Tensors) -> tuple[Tensor, Tensors]:
        average = torch.lerp(g, moments["average"], hyper["momentum"])
        return p - hyper["lr"] * average.sign(), {"average": average}

    return leafwise(lr, leaf, hyper={"momentum": momentum}, moments={"average": 0.0})


def curves(optimizer: Optimizer, epochs: int, *, eager: bool) -> list[float]:
    """The validation loss of each epoch."""
    images, digits = load_digits(return_X_y=True)
    x, y = images / 16, digits
    train = af.Loader(af.Table({"x": x[:1408], "y": y[:1408]}), batch_size=64)
    val = af.Loader(af.Table({"x": x[1408:], "y": y[1408:]}), batch_size=389)
    model = af.functional(
        lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    )
    objective = af.supervised(model, F.cross_entropy)
    step = af.train_step(objective, optimizer)
    state = af.TrainState.create(model, optimizer, seed=0)
    routines = [af.evaluation("val", objective, val)]
    stream = af.epochs(step if eager else af.compiled(step), state, train, routines=routines)
    run = af.fit(stream, until=af.at_most(epochs), history=af.history())
    found: list[float] = run.answers["history"]["val/loss"].tolist()
    return found


def main(epochs: int, out: Path | None, *, eager: bool) -> dict[str, float]:
    """Try, train, draw, print."""
    check_transform(signum(0.1))
    steps = 22 * epochs
    rules = {
        "signum": signum(cosine(2e-3, steps=steps)),
        "adamw": af.optim.adamw(cosine(3e-3, steps=steps)),
    }
    losses = {name: curves(rule, epochs, eager=eager) for name, rule in rules.items()}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, values in losses.items():
            axes.plot(range(1, epochs + 1), values, label=name)
        axes.set(xlabel="epoch", ylabel="validation loss", title="A rule of ten lines")
        axes.legend(frameon=False)
        figure.savefig(out / "custom_optimizer.png", dpi=120)
    return {name: round(values[-1], 4) for name, values in losses.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--eager", action="store_true", help="do not compile")
    parser.add_argument("--out", type=Path, help="where the picture goes")
    options = parser.parse_args()
    print(json.dumps(main(options.epochs, options.out, eager=options.eager)))
