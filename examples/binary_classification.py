"""Benign or malignant: scikit-learn's breast cancer data, 569 rows of 30 measurements.

    python examples/binary_classification.py [--epochs 60] [--seed 0] [--eager] [--device cpu] [--out DIR]
    artifact-fn run examples.binary_classification:experiment --out runs/demo

Trains an MLP with BatchNorm and dropout, stops early on val/loss, keeps the best epoch by
val/roc_auc. What validation scores its rows get is watched every epoch, and drawn of the best one.
The last line printed is one JSON object.
"""

import argparse
import json
from pathlib import Path

import attrs
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import tree
from artifact_fn.data import place
from artifact_fn.training import Batch, Model, eager
from artifact_fn.validation import Plan, select
from artifact_fn.validation import binary_classification as binary

CLASSES = binary.BinarySpec(("0", "1"), positive="1")  # malignant, benign
SCORES = Plan(scores=select(binary.SCORES, "F1", "MCC", "BRIER"))
FIGURES = ("ROC_CURVE", "PR_CURVE", "RELIABILITY")


@attrs.frozen
class Classifier:
    """The probability of a benign tumour, by the second of two logits."""

    model: Model

    def classify(self, state: af.TrainState, batch: Batch, /) -> Tensor:
        """Probabilities [B] of the rows of a batch."""
        given = (state.params, state.buffers, batch["x"])
        logits, _ = self.model.apply(*given, key=state.key, training=False)
        return torch.softmax(logits, 1)[:, 1]


def network() -> nn.Module:
    """30 measurements to 2 logits."""
    return nn.Sequential(
        nn.Linear(30, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(32, 2),
    )


def tables(seed: int) -> tuple[af.Table, af.Table]:
    """Training and validation rows, standardised by the training rows."""
    measurements, benign = load_breast_cancer(return_X_y=True)
    # 448 rows are 7 full batches of 64: a short last batch would be one more shape to compile.
    x, x_val, y, y_val = train_test_split(
        measurements, benign, train_size=448, stratify=benign, random_state=seed
    )
    mean, std = x.mean(axis=0), x.std(axis=0)
    return (
        af.Table({"x": (x - mean) / std, "y": y}),
        af.Table({"x": (x_val - mean) / std, "y": y_val}),
    )


def plot(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Losses and scores over the epochs, the best one marked."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, names, label in [
        (axes[0], ["train/loss", "val/loss"], "cross-entropy"),
        (axes[1], ["train/roc_auc", "val/roc_auc", "val/accuracy"], "score"),
    ]:
        for name in names:
            axis.plot(history.index, history[name], label=name)
        axis.axvline(best_epoch, color="grey", linestyle=":", label=f"best epoch, {best_epoch}")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylabel(label)
        axis.legend()
    return figure


def experiment(
    *,
    epochs: int = 60,
    seed: int = 0,
    lr: float = 3e-3,
    device: str = "cpu",
    compiled: bool = True,
) -> af.Experiment:
    """Everything that makes the run; `artifact-fn run` takes it by name."""
    train_rows, val_rows = (place(table, device) for table in tables(seed=0))
    train = af.Loader(train_rows, batch_size=64)
    val = af.Loader(val_rows, batch_size=len(val_rows))
    model = af.functional(network)
    objective = af.supervised(
        model, F.cross_entropy, metrics=[af.metrics.accuracy(), af.metrics.roc_auc()]
    )
    return af.Experiment(
        model=model,
        objective=objective,
        optimizer=af.optim.chain(
            af.optim.clip_by_global_norm(1.0),
            af.optim.adamw(af.optim.cosine(lr, steps=train.steps * epochs)),
        ),
        data={
            af.Split.TRAIN: train,
            af.Split.VALIDATION: val,
        },
        routines=[
            af.evaluation(af.Split.VALIDATION, objective),
            binary.validation(af.Split.VALIDATION, Classifier(model), CLASSES, val, SCORES),
        ],
        until=af.patience("val/loss", 10, min_delta=1e-3) | af.at_most(epochs),
        select=af.best("val/roc_auc", mode="max"),
        seed=seed,
        device=device,
        wrap=af.compiled if compiled else eager,
    )


def judged(given: af.Experiment, state: af.TrainState) -> binary.Classified:
    """The validation rows as a state classifies them."""
    rows = next(iter(given.data[af.Split.VALIDATION].batches(None, 1)))
    chance = Classifier(given.model).classify(state, rows)
    return binary.classified(CLASSES, rows["y"].cpu(), probability=chance.detach().cpu())


def main() -> None:
    """Train, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=60, help="at most so many (60)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (0)")
    parser.add_argument("--eager", action="store_true", help="do not compile the step")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (cpu)")
    parser.add_argument("--out", type=Path, help="where history.csv and history.png go")
    options = parser.parse_args()

    torch.set_num_threads(1)  # a model this small is faster so
    given = experiment(
        epochs=options.epochs, seed=options.seed, device=options.device, compiled=not options.eager
    )
    run = af.fit(
        af.progress(given.stream(), best="val/roc_auc", mode="max"),
        until=given.until,
        **given.asked(),
    )

    history, best = run.answers["history"], run.answers["selected"]
    print(history.tail().to_string(float_format=lambda x: f"{x:.4f}"))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        history.to_csv(options.out / "history.csv")
        plot(history, best.index).savefig(options.out / "history.png", dpi=150)
        rows = judged(given, best.state)
        for name in FIGURES:
            binary.PLOTS[name](rows).savefig(options.out / f"best_{name}.png", dpi=150)
    print(
        json.dumps(
            {
                "epochs": run.last.index,
                "stop": run.stop.reason,
                "best_epoch": best.index,
                "val/roc_auc": best.scores["val/roc_auc"],
                "val/accuracy": best.scores["val/accuracy"],
                "val/BRIER": best.scores["val/BRIER"],
                "digest": tree.digest(run.last.state),
            }
        )
    )


if __name__ == "__main__":
    main()
