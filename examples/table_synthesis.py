"""A synthetic survey: statsmodels' American National Election Study of 1996, 944 people.

    python examples/table_synthesis.py [--epochs 150] [--seed 0] [--eager] [--out DIR]

The table has 3 continuous and 7 categorical columns, is in the public domain and comes with
statsmodels (anes96). A VAE learns it; the tables it generates are held against the real one every
epoch, which stops the run and chooses its best epoch; every 10 epochs they are drawn, by another
process. The last line printed is one JSON object: the distances of the best epoch, beside those of a
bootstrap of the real table (as near as can be) and of independent columns (right margins, nothing else).
"""

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from statsmodels.datasets import anes96
from torch import Tensor, nn

import artifact_fn as af
from artifact_fn import random
from artifact_fn.runs.drawing import drawing, drawn
from artifact_fn.training import Model, TrainState, minimise
from artifact_fn.training.contracts import Batch
from artifact_fn.validation import Plan, select
from artifact_fn.validation import table_comparison as tables
from artifact_fn.validation.table_comparison.neighbours import distance_to_closest_record
from artifact_fn.validation.table_comparison.scores import correlation_distance, mean_js_distance

CONTINUOUS = ("logpopul", "age", "income")
CATEGORICAL = ("TVnews", "selfLR", "ClinLR", "DoleLR", "PID", "educ", "vote")
BINS = 24
"""Of a continuous column, with as many rows in each as ties allow."""


def survey() -> pd.DataFrame:
    """The table, whole numbers as such."""
    frame: pd.DataFrame = anes96.load_pandas().data[[*CONTINUOUS, *CATEGORICAL]]
    return frame.astype(dict.fromkeys((*CATEGORICAL, "age", "income"), int))


@attrs.frozen(eq=False)
class Discrete:
    """Columns as codes: labels as they are numbered, numbers by the bin that they fall in.

    Attributes:
        spec: Of the table.
        values: Of each continuous column, the real values in each bin.
        codes: int64 [N, columns], labels first.
        sizes: How many codes each column has.
    """

    spec: tables.TabularSpec
    values: list[list[np.ndarray]]
    codes: np.ndarray
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, spec: tables.TabularSpec, frame: pd.DataFrame) -> "Discrete":
        """The columns of a frame."""
        encoded = tables.encode(spec, frame)
        parts, values = [encoded.codes], []
        for column in encoded.numbers.T:
            edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
            place = np.unique(np.searchsorted(edges, column, side="right"), return_inverse=True)[1]
            values.append([np.sort(column[place == i]) for i in range(place.max() + 1)])
            parts.append(place[:, None])
        sizes = [*map(len, encoded.categories), *map(len, values)]
        return cls(spec, values, np.concatenate(parts, axis=1), tuple(sizes))

    def frame(self, codes: Tensor, within: Tensor) -> pd.DataFrame:
        """A table of codes [N, columns]; `within` [N, continuous] says where in its bin."""
        columns: dict[str, Any] = {}
        labels = len(self.spec.categorical)
        for i, (name, texts) in enumerate(
            zip(self.spec.categorical, self.spec.categories, strict=True)
        ):
            columns[name] = np.array(texts, dtype=object)[codes[:, i].numpy()]
        for i, (name, bins) in enumerate(zip(self.spec.continuous, self.values, strict=True)):
            column = codes[:, labels + i].tolist()
            at = within[:, i].tolist()
            columns[name] = [
                bins[code][int(u * len(bins[code]))] for code, u in zip(column, at, strict=True)
            ]
        return pd.DataFrame({name: columns[name] for name in self.spec.names})


class VAE(nn.Module):
    """Embedded columns to a latent Gaussian, and back to logits for each column's codes."""

    offsets: Tensor
    absent: Tensor

    def __init__(self, sizes: tuple[int, ...], width: int = 128, latent: int = 16) -> None:
        super().__init__()
        self.latent, self.most = latent, max(sizes)
        # One table for all columns, and as many logits for each: a graph that is quickly compiled.
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0))
        self.register_buffer("absent", torch.arange(self.most) >= torch.tensor(sizes)[:, None])
        self.embed = nn.Embedding(sum(sizes), 8)
        self.encoder = nn.Sequential(
            nn.Linear(8 * len(sizes), width),
            nn.BatchNorm1d(width),
            nn.LeakyReLU(0.1),
            nn.Linear(width, 2 * latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, width),
            nn.BatchNorm1d(width),
            nn.LeakyReLU(0.1),
            nn.Linear(width, len(sizes) * self.most),
        )

    def forward(self, codes: Tensor, key: Tensor) -> dict[str, Tensor]:
        """Codes [B, columns] to logits and the latent Gaussian; the step gives the key."""
        embedded = self.embed(codes + self.offsets).flatten(1)
        mean, log_variance = self.encoder(embedded).chunk(2, dim=1)
        noise = random.normal(key, (len(codes), self.latent))
        logits = self.decode(mean + (log_variance / 2).exp() * noise)
        return {"logits": logits, "mean": mean, "log_variance": log_variance}

    def decode(self, latent: Tensor) -> Tensor:
        """Latent [B, latent] to logits [B, columns, codes]; none for codes a column lacks."""
        logits: Tensor = self.decoder(latent).unflatten(1, (-1, self.most))
        return logits.masked_fill(self.absent, -1e9)


@attrs.frozen(eq=False)
class Synthesizer:
    """Draws rows of a trained VAE; the key is all its randomness."""

    model: Model
    discrete: Discrete
    latent: int

    def generate(self, state: TrainState, key: Tensor, n: int, params: float, /) -> pd.DataFrame:
        """`params` is the temperature of the columns' draws."""
        of_latent, of_codes, of_values = random.split(key, 3)
        latent = random.normal(of_latent, (n, self.latent))
        logits, _ = self.model.apply(
            state.params, state.buffers, latent, key=key, training=False, method="decode"
        )
        # The largest logit plus Gumbel noise is a draw from the softmax.
        uniform = random.uniform(of_codes, tuple(logits.shape)).clamp(1e-7, 1 - 1e-7)
        noisy = logits / params - (-uniform.log()).log()
        within = random.uniform(of_values, (n, len(self.discrete.values)))
        return self.discrete.frame(noisy.argmax(2), within)


def reconstruction(outputs: dict[str, Tensor], batch: Batch) -> Tensor:
    """Cross-entropy, summed over columns."""
    logits, codes = outputs["logits"], batch["x"]
    return F.cross_entropy(logits.transpose(1, 2), codes, reduction="sum") / len(codes)


def divergence(outputs: dict[str, Tensor], batch: Batch) -> Tensor:
    """Of the latent Gaussian from the prior."""
    mean, log_variance = outputs["mean"], outputs["log_variance"]
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2


def quality(pair: tables.Comparison) -> float:
    """An artifact of our own: what is to be small."""
    return mean_js_distance(pair) + correlation_distance(pair)


def baselines(spec: tables.TabularSpec, real: pd.DataFrame) -> dict[str, tables.Comparison]:
    """Tables that no model made."""
    drawn = np.random.default_rng(0)
    again = real.iloc[drawn.integers(0, len(real), len(real))]
    apart = pd.DataFrame({name: drawn.permutation(real[name]) for name in real})
    encoded = tables.encode(spec, real)
    return {
        "bootstrap": tables.compare(spec, encoded, again),
        "independent": tables.compare(spec, encoded, apart),
    }


def main() -> None:
    """Train, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=150, help="at most so many (150)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and noise (0)")
    parser.add_argument("--eager", action="store_true", help="do not compile the step")
    parser.add_argument("--out", type=Path, help="where tables and plots go")
    options = parser.parse_args()

    torch.set_num_threads(1)  # a model this small is faster so
    real = survey()
    spec = tables.TabularSpec.from_frame(real, continuous=CONTINUOUS, categorical=CATEGORICAL)
    discrete = Discrete.of(spec, real)
    train = af.Loader(af.Table({"x": discrete.codes}), batch_size=118)  # 8 full batches

    model = af.functional(lambda: VAE(discrete.sizes))
    objective = minimise(
        model, {"reconstruction": reconstruction, "divergence": divergence}, inputs="x"
    )
    optimizer = af.optim.chain(af.optim.clip_by_global_norm(5.0), af.optim.adamw(2e-3))
    state = af.TrainState.create(model, optimizer, seed=options.seed)
    synthesizer = Synthesizer(model, discrete, latent=16)
    scores: Plan[tables.Comparison] = Plan(
        scores={
            **select(tables.SCORES, "MEAN_JS_DISTANCE", "CORRELATION_DISTANCE"),
            "QUALITY": quality,
        }
    )
    plots: Plan[tables.Comparison] = Plan(
        plots=select(tables.PLOTS, "PDF", "CORRELATION_HEATMAP_JUXTAPOSITION", "PCA_JUXTAPOSITION"),
        deferred=True,
    )
    pictures = tables.validation("train", synthesizer, spec, real, plots, params=1.0, every=10)
    step = af.train_step(objective, optimizer)
    stream = af.epochs(
        step if options.eager else af.compiled(step),
        state,
        train,
        routines=[
            tables.validation("train", synthesizer, spec, real, scores, params=1.0),
            *([pictures] if options.out else []),
        ],
    )

    with contextlib.ExitStack() as stack:
        shown: Any = af.progress(stream, best="train/QUALITY", mode="min")
        if options.out:
            shown = drawn(shown, stack.enter_context(drawing(options.out)))
        run = af.fit(
            shown,
            until=af.patience("train/QUALITY", 30, mode="min") | af.at_most(options.epochs),
            history=af.history(),
            best=af.best("train/QUALITY", mode="min"),
        )

    history, best = run.answers["history"], run.answers["best"]
    print(history.tail().to_string(float_format=lambda x: f"{x:.4f}"))
    # Other noise than the best epoch was chosen by.
    sample, encoded = tables.generated(
        synthesizer, spec, best.state, random.key(options.seed + 1), len(real), 1.0
    )
    fresh = tables.compare(spec, real, encoded)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        history.to_csv(options.out / "history.csv")
        sample.to_csv(options.out / "synthetic.csv", index=False)
        for name in ("PDF", "CORRELATION_HEATMAP_JUXTAPOSITION"):
            tables.PLOTS[name](fresh).savefig(options.out / f"best_{name}.png")
    found = {"best": fresh, **baselines(spec, real)}
    print(
        json.dumps(
            {
                "epochs": run.last.index,
                "stop": run.stop.reason,
                "best_epoch": best.index,
                **{
                    name: {
                        "MEAN_JS_DISTANCE": mean_js_distance(pair),
                        "CORRELATION_DISTANCE": correlation_distance(pair),
                        "COPIES": distance_to_closest_record(pair)["COPIES"],
                    }
                    for name, pair in found.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main()
