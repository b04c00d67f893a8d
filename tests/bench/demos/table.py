"""Ours of the table demo: python -m tests.bench.demos.table CSV DIRECTORY."""

import json
import sys

import attrs
import numpy as np
import pandas as pd
import torch
from returns.unsafe import unsafe_perform_io
from torch import Tensor

import artifact_fn as af
from artifact_fn import random
from artifact_fn.runs import Saving
from artifact_fn.training import Batch, Model, eager, minimise, reducers, taps, with_plots
from artifact_fn.validation import Plan, select
from artifact_fn.validation import table_comparison as tables
from tests.bench.demos import activations, given


class Autoencoder(given.Autoencoder):
    """The module of both manners, whose noise comes from the step's key."""

    def forward(self, codes: Tensor, key: Tensor) -> dict[str, object]:
        """Codes [B, columns] to logits and the latent Gaussian."""
        mean, log_variance = self.encode(codes)
        noise = random.normal(key, tuple(mean.shape))
        logits = self.decode(mean + torch.exp(log_variance / 2) * noise)
        return {"logits": logits, "mean": mean, "log_variance": log_variance}


def negative_elbo(outputs: dict[str, object], batch: Batch) -> Tensor:
    """The demo's loss."""
    found: dict[str, object] = outputs
    return given.negative_elbo(codes=batch["codes"], **found)  # type: ignore[arg-type]


@attrs.frozen(eq=False)
class Synthesizer:
    """Draws rows of the autoencoder; the key is all its randomness."""

    model: Model
    table: given.Codes

    def generate(self, state: af.TrainState, key: Tensor, n: int, temperature: float, /) -> pd.DataFrame:  # fmt: skip
        """A synthetic table."""
        of_latent, of_codes, of_values = random.split(key, 3)
        latent = random.normal(of_latent, (n, given.LATENT))
        logits, _ = self.model.apply(
            state.params, state.buffers, latent, key=key, training=False, method="decode"
        )
        drawn = []
        for each, part in zip(logits, random.split(of_codes, len(logits)), strict=True):
            uniform = random.uniform(part, tuple(each.shape)).clamp(1e-7, 1 - 1e-7)
            drawn.append((each / temperature - (-uniform.log()).log()).argmax(1))
        within = random.uniform(of_values, (n, len(given.CONTINUOUS)))
        return self.table.frame(torch.stack(drawn, 1).numpy(), within.numpy())


def synthetic(pair: tables.Comparison) -> dict[str, np.ndarray]:
    """What artifact-torch exports of each comparison: the synthetic table."""
    return {"numbers": pair.synthetic.numbers, "codes": pair.synthetic.codes}


PLAN = Plan(
    scores=select(tables.SCORES, *given.TABLE_SCORES),
    score_collections=select(tables.SCORE_COLLECTIONS, *given.TABLE_SCORE_COLLECTIONS),
    array_collections={
        **select(tables.ARRAY_COLLECTIONS, *given.TABLE_ARRAY_COLLECTIONS),
        "TABULAR_DATA_SYNTHETIC": synthetic,
    },
    plots=select(tables.PLOTS, *given.TABLE_PLOTS),
    plot_collections=select(tables.PLOT_COLLECTIONS, *given.TABLE_PLOT_COLLECTIONS),
    deferred=True,
)


def experiment(path: str) -> af.Experiment:
    """All that makes the run."""
    real = pd.read_csv(path)
    spec = tables.TabularSpec.from_frame(
        real, continuous=given.CONTINUOUS, categorical=given.CATEGORICAL
    )
    table, every = given.Codes(real), given.EVERY
    rows = af.Table({"codes": table.codes})
    sizes = table.sizes
    model = af.functional(lambda: Autoencoder(sizes))
    objective = minimise(model, negative_elbo, inputs="codes")
    watched = taps.activations(model, reduce=[reducers.histogram()])
    return af.Experiment(
        model=model,
        objective=objective,
        optimizer=af.optim.adam(given.RATE),
        data={af.Split.TRAIN: af.Loader(rows, given.TABLE_BATCH)},
        routines=[
            with_plots(
                af.evaluation(
                    "train_after",
                    objective,
                    af.Loader(rows, len(rows)),
                    every=every,
                    taps=[watched],
                ),
                ACTIVATIONS_PDF=activations.pdf,
            ),
            tables.validation(
                "train",
                Synthesizer(model, table),
                spec,
                real,
                PLAN,
                params=given.TEMPERATURE,
                rows=given.ROWS,
                every=every,
            ),
        ],
        until=af.at_most(given.TABLE_EPOCHS),
        seed=0,
        wrap=eager,  # 200 steps in all: compiling them would take longer
    )


def main(path: str, directory: str) -> None:
    torch.set_num_threads(1)  # a model this small is faster so
    run = unsafe_perform_io(
        af.run(
            experiment(path),
            directory,
            saving=Saving(epochs=given.EVERY, keep_last=1, keep_every=given.EVERY),
            show=af.progress,
            pens=2,
        ).unwrap()
    )
    history: pd.DataFrame = run.answers["history"]
    print(json.dumps({name: float(history[name].dropna().iloc[-1]) for name in history}))


if __name__ == "__main__":
    main(*sys.argv[1:])
