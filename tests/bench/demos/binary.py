"""Ours of the binary demo: python -m tests.bench.demos.binary CSV DIRECTORY."""

import json
import sys

import attrs
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from returns.unsafe import unsafe_perform_io
from torch import Tensor

import artifact_fn as af
from artifact_fn.runs import Saving
from artifact_fn.training import Batch, Model, Routine, eager, reducers, taps, with_plots
from artifact_fn.validation import Plan, select
from artifact_fn.validation import binary_classification as binary
from tests.bench.demos import activations, given

CLASSES = binary.BinarySpec(("0", "1"), positive="1")


def results(rows: binary.Classified) -> dict[str, np.ndarray]:
    """What artifact-torch exports of each classification."""
    return {"true": rows.true, "predicted": rows.predicted, "probability": rows.probability}


PLAN = Plan(
    scores=select(binary.SCORES, *given.BINARY_SCORES),
    score_collections=select(binary.SCORE_COLLECTIONS, *given.BINARY_SCORE_COLLECTIONS),
    array_collections={"CLASSIFICATION_RESULTS": results},
    plots=select(binary.PLOTS, *given.BINARY_PLOTS),
    plot_collections=select(binary.PLOT_COLLECTIONS, *given.BINARY_PLOT_COLLECTIONS),
    deferred=True,
)


@attrs.frozen
class Classifier:
    """The probability of arthritis, by the second of two logits."""

    model: Model

    def classify(self, state: af.TrainState, batch: Batch, /) -> Tensor:
        """Probabilities [B] of the rows of a batch."""
        rows = (state.params, state.buffers, batch["x"])
        logits, _ = self.model.apply(*rows, key=state.key, training=False)
        return torch.softmax(logits, 1)[:, 1]


def uncompiled(routine: Routine) -> Routine:
    """A routine whose step is left as it is: ten evaluations take less than compiling one."""
    return attrs.evolve(routine, prepare=lambda _, state: routine.prepare(eager, state))


def experiment(path: str) -> af.Experiment:
    """All that makes the run."""
    rows = [
        af.Table(
            {"x": frame[given.FEATURES].to_numpy(np.float32), "y": frame[given.LABEL].to_numpy()}
        )
        for frame in given.people(path)
    ]
    train = af.Loader(rows[0], batch_size=given.BINARY_BATCH)
    sweeps = {"train": af.Loader(rows[0], 2000), "val": af.Loader(rows[1], 2000)}
    model = af.functional(given.perceptron)
    objective = af.supervised(model, F.cross_entropy)
    classifier, every = Classifier(model), given.EVERY
    watched = taps.activations(model, reduce=[reducers.histogram()])
    return af.Experiment(
        model=model,
        objective=objective,
        optimizer=af.optim.adam(given.RATE),
        data={af.Split.TRAIN: train, af.Split.VALIDATION: sweeps["val"]},
        routines=[
            with_plots(
                uncompiled(
                    af.evaluation(
                        "train_after", objective, sweeps["train"], every=every, taps=[watched]
                    )
                ),
                ACTIVATIONS_PDF=activations.pdf,
            ),
            uncompiled(af.evaluation("val", objective, sweeps["val"], every=every)),
            *(
                binary.validation(split, classifier, CLASSES, source, PLAN, every=every)
                for split, source in sweeps.items()
            ),
        ],
        until=af.at_most(given.BINARY_EPOCHS),
        seed=0,
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
