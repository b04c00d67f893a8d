"""Many models at once: 16 seeds x 4 learning rates on scikit-learn's breast cancer data.

    python examples/ensemble.py [--seeds 16] [--epochs 60] [--eager] [--out DIR]

All 64 members are one compiled step. Each stops by itself and keeps its best epoch. Prints a table
of scores with 95 % confidence intervals over seeds, and how well the mixture of the best learning
rate's members is calibrated against one of them; draws both. The last line is one JSON object.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn.folds import band, interval
from artifact_fn.training import (
    Ensemble,
    best_of_each,
    ensemble,
    evaluate_each,
    footprint,
    mixture,
    predict_each,
    stop_each,
)

RATES = (3e-4, 1e-3, 3e-3, 1e-2)


def network() -> nn.Module:
    """30 measurements to 2 logits."""
    return nn.Sequential(
        nn.Linear(30, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2)
    )


def tables() -> tuple[af.Table, af.Table, af.Table]:
    """Training, validation and test rows, standardised by the training rows."""
    measurements, benign = load_breast_cancer(return_X_y=True)
    # Few rows to train on: with more, every model is right, and there is no more to tell.
    x, rest, y, y_rest = train_test_split(
        measurements, benign, train_size=128, stratify=benign, random_state=0
    )
    x_val, x_test, y_val, y_test = train_test_split(
        rest, y_rest, train_size=100, stratify=y_rest, random_state=0
    )
    mean, std = x.mean(axis=0), x.std(axis=0)
    parts = ((x, y), (x_val, y_val), (x_test, y_test))
    train, val, test = (af.Table({"x": (a - mean) / std, "y": b}) for a, b in parts)
    return train, val, test


def calibration(
    probability: Tensor, y: Tensor, bins: int = 8
) -> tuple[pd.DataFrame, dict[str, float]]:
    """How sure a classifier is against how often it is right, by equally filled bins.

    Args:
        probability: [B, 2].
        y: int64 [B].
        bins: How many.

    Returns:
        Columns `sure` and `right`, a row a bin; expected calibration error and negative
        log-likelihood.
    """
    sure, chosen = probability.max(1)
    right = (chosen == y).double()
    parts = torch.argsort(sure).tensor_split(bins)
    rows = pd.DataFrame(
        {
            "sure": [float(sure[p].mean()) for p in parts],
            "right": [float(right[p].mean()) for p in parts],
        }
    )
    weights = np.array([len(p) for p in parts]) / len(y)
    error = float((weights * (rows["sure"] - rows["right"]).abs()).sum())
    likelihood = float(F.nll_loss(probability.clamp_min(1e-12).log(), y))
    return rows, {"calibration_error": error, "nll": likelihood}


def table(together: Ensemble, scores: dict[str, list[float]]) -> pd.DataFrame:
    """The mean of each score with its interval over seeds, a row a learning rate."""
    rows = {
        f"{rate:g}": {
            name: str(interval([values[i] for i in together.where(lr=rate)]))
            for name, values in scores.items()
        }
        for rate in RATES
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("lr")


def curves(axis: Axes, together: Ensemble, history: pd.DataFrame) -> None:
    """val/loss over the epochs: the mean over seeds, and its interval."""
    colours = ("#1b6ca8", "#2a9d5c", "#e08a1e", "#b3364a")
    for rate, colour in zip(RATES, colours, strict=True):
        found = band(history, "val/loss", together.where(lr=rate))
        axis.plot(found.index, found["mean"], color=colour, label=f"lr {rate:g}")
        axis.fill_between(
            found.index, found["low"], found["high"], color=colour, alpha=0.2, linewidth=0
        )
    axis.set(xlabel="epoch", ylabel="validation cross-entropy", yscale="log")
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(ScalarFormatter())
    axis.set_title(
        f"mean over {len(together.where(lr=RATES[0]))} seeds, 95 % interval", fontsize=10
    )
    axis.legend(frameon=False)


def reliability(axis: Axes, found: dict[str, tuple[pd.DataFrame, dict[str, float]]]) -> None:
    """How sure against how often right, of one model and of the ensemble."""
    low = min(float(rows.to_numpy().min()) for rows, _ in found.values())
    ends = (max(0.0, low - 0.03), 1.01)
    axis.plot(ends, ends, color="grey", linestyle=":", label="calibrated")
    for (name, (rows, told)), marker in zip(found.items(), ("s", "o"), strict=True):
        label = f"{name}: error {told['calibration_error']:.3f}, nll {told['nll']:.3f}"
        axis.plot(rows["sure"], rows["right"], marker=marker, label=label)
    axis.set(xlabel="how sure", ylabel="how often right", xlim=ends, ylim=ends)
    axis.set_title("calibration on the test rows", fontsize=10)
    axis.legend(frameon=False, loc="lower right", fontsize=8)


def main() -> None:
    """Train, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=16, help="of each learning rate (16)")
    parser.add_argument("--epochs", type=int, default=60, help="at most so many (60)")
    parser.add_argument("--eager", action="store_true", help="do not compile the step")
    parser.add_argument("--out", type=Path, help="where history.csv and ensemble.png go")
    options = parser.parse_args()

    torch.set_num_threads(1)  # models this small are faster so
    train_rows, val_rows, test_rows = tables()
    train = af.Loader(train_rows, batch_size=64)
    val = af.Loader(val_rows, batch_size=len(val_rows))

    model = af.functional(network)
    objective = af.supervised(model, F.cross_entropy, metrics=[af.metrics.accuracy()])
    optimizer = af.optim.chain(af.optim.clip_by_global_norm(1.0), af.optim.adamw(1e-3))
    together = ensemble(model, optimizer, seeds=options.seeds, grid={"lr": RATES})
    one = af.train_step(objective, optimizer)
    print(footprint(together, one, train))

    step = together.step(one)
    stops = stop_each(af.patience("val/loss", 8), len(together))
    stream = af.epochs(
        step if options.eager else af.compiled(step),
        together.state,
        together.source(train),
        routines=[evaluate_each(together, "val", objective, val)],
        control=stops.control,
    )
    run = af.fit(
        stream,
        until=stops.until | af.at_most(options.epochs),
        history=af.history(),
        best=best_of_each("val/loss", len(together)),
        ends=stops.ends,
    )

    history, best, ends = (run.answers[name] for name in ("history", "best", "ends"))
    x, y = test_rows["x"], test_rows["y"]
    logits = predict_each(model, best.state, x)
    scores = {
        "val/loss": best.score.tolist(),
        "test/loss": [float(F.cross_entropy(own, y)) for own in logits],
        "test/accuracy": [float((own.argmax(1) == y).double().mean()) for own in logits],
        "epochs": [float(end[0] if end else run.last.index) for end in ends],
    }
    print(table(together, scores).to_string())

    rate = min(
        RATES, key=lambda r: interval([scores["val/loss"][i] for i in together.where(lr=r)]).mean
    )
    members = together.where(lr=rate)
    single = members[0]
    found = {
        "one model": calibration(logits[single].softmax(-1), y),
        f"ensemble of {len(members)}": calibration(mixture(logits[members]), y),
    }
    for name, (_, told) in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.4f}" for key, value in told.items()))
    each = interval([float(F.cross_entropy(logits[i], y)) for i in members])
    print(f"nll of its members one by one: {each}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        history.to_csv(options.out / "history.csv")
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        curves(left, together, history)
        reliability(right, found)
        figure.savefig(options.out / "ensemble.png", dpi=150)
    whole = found[f"ensemble of {len(members)}"][1]
    print(
        json.dumps(
            {
                "members": len(together),
                "stop": run.stop.reason,
                "lr": rate,
                "nll_of_one": each.mean,
                "nll_of_all": whole["nll"],
                "epochs": run.last.index,
            }
        )
    )


if __name__ == "__main__":
    main()
