"""What goes on inside a small convolutional network on scikit-learn's digits, as pictures.

    python examples/diagnostics.py [--epochs 6] [--seed 0] [--eager] [--out DIR]

Trains on 1,344 images of 8 x 8 pixels. Every second epoch activations, gradients and updates
of some of the batches are watched; after every epoch the validation images are classified. The
figures are PNG files in DIR. The last line printed is one JSON object.
"""

import argparse
import json
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import artifact_fn as af
from artifact_fn import tree
from artifact_fn.training import plots, reducers, with_plots


def network() -> nn.Module:
    """[B, 1, 8, 8] pixels to 10 logits."""
    layers = {
        "conv1": nn.Conv2d(1, 16, 3, padding=1),
        "relu1": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(16, 32, 3, padding=1),
        "norm": nn.BatchNorm2d(32),
        "relu2": nn.ReLU(),
        "flat": nn.Flatten(),
        "dropout": nn.Dropout(0.2),
        "head": nn.Linear(512, 10),
    }
    return nn.Sequential(OrderedDict(layers))


def tables() -> tuple[af.Table, af.Table]:
    """Training and validation images, pixels from 0 to 1."""
    pixels, digits = load_digits(return_X_y=True)
    images = (pixels / 16.0).reshape(-1, 1, 8, 8).astype("float32")
    # 1,344 images are 21 full batches of 64: a short last batch would be one more shape to compile.
    x, x_val, y, y_val = train_test_split(
        images, digits, train_size=1344, stratify=digits, random_state=0
    )
    return af.Table({"x": x, "y": y}), af.Table({"x": x_val, "y": y_val})


def main() -> None:
    """Train, and draw what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=6, help="how many (6)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (0)")
    parser.add_argument("--eager", action="store_true", help="do not compile the step")
    parser.add_argument("--out", type=Path, help="where the figures go")
    options = parser.parse_args()

    torch.set_num_threads(1)  # a model this small is faster so
    train_rows, val_rows = tables()
    train, val = af.Loader(train_rows, batch_size=64), af.Loader(val_rows, batch_size=len(val_rows))

    model = af.functional(network)
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.adamw(3e-3)
    state = af.TrainState.create(model, optimizer, seed=options.seed)

    watched = with_plots(
        af.diagnostics(
            af.taps.activations(model, reduce=[reducers.histogram()]),
            af.taps.gradients("*weight", reduce=[reducers.histogram()]),
            af.taps.gradient_norms(),
            af.taps.update_ratios(),
            af.taps.dead_units(model),
            every=2,
        ),
        activations=plots.distributions(
            "activations", title="Activations by layer", axis="activation"
        ),
        gradients=plots.distributions("gradients", title="Gradients by parameter", axis="gradient"),
        gradient_norms=plots.bars(
            "gradient_norm", title="Gradient norms", axis="2-norm, mean over steps"
        ),
        update_ratios=plots.bars(
            "update_ratio", title="Update-to-weight ratios", axis="|update| / |weights|", log=True
        ),
        dead_units=plots.bars(
            "dead_units", title="Units silent in all batches watched", axis="share of units"
        ),
    )
    validated = with_plots(
        af.evaluation(af.Split.VALIDATION, objective, val, metrics=[af.metrics.confusion(10)]),
        confusion_matrix=plots.confusion(title="Validation digits"),
    )
    step = af.train_step(objective, optimizer)
    stream = af.epochs(
        step if options.eager else af.compiled(step), state, train, routines=[watched, validated]
    )

    written = []
    for epoch in af.progress(stream, best="val/accuracy", mode="max"):
        figures = {name: found for name, found in epoch.artifacts.items() if plots.is_figure(found)}
        for name, figure in figures.items():
            if options.out:
                path = options.out / f"epoch_{epoch.index:02}" / f"{name.replace('/', '_')}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                figure.savefig(path)
                written.append(str(path.relative_to(options.out)))
        if epoch.index == options.epochs:
            break
    print(
        json.dumps(
            {
                "epochs": epoch.index,
                "train/loss": epoch.scores["train/loss"],
                "val/accuracy": epoch.scores["val/accuracy"],
                "figures": len(written),
                "digest": tree.digest(epoch.state),
            }
        )
    )


if __name__ == "__main__":
    main()
