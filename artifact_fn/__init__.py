"""artifact_fn: training pipelines for PyTorch as pure functions.

Training is a stream of epochs, unfolded from a pure step over an immutable state; everything
else is a fold over that stream. These are the names of the two programs and of their typed
way; the rest is found in `folds`, `optim`, `training`, `data`, `random`, `tree`, `errors` and
`runs`.
"""

from artifact_fn import optim
from artifact_fn.data import Loader, Split, Table
from artifact_fn.folds import at_most, best, history, patience
from artifact_fn.runs.progress import progress
from artifact_fn.runs.recorded import load_run
from artifact_fn.runs.run import resume, run
from artifact_fn.training import (
    Experiment,
    ModelInput,
    ModelOutput,
    TrainState,
    compiled,
    diagnostics,
    epochs,
    evaluate,
    evaluation,
    fit,
    functional,
    metrics,
    on,
    predict,
    supervised,
    taps,
    train_step,
)

__all__ = [
    "Experiment",
    "Loader",
    "ModelInput",
    "ModelOutput",
    "Split",
    "Table",
    "TrainState",
    "at_most",
    "best",
    "compiled",
    "diagnostics",
    "epochs",
    "evaluate",
    "evaluation",
    "fit",
    "functional",
    "history",
    "load_run",
    "metrics",
    "on",
    "optim",
    "patience",
    "predict",
    "progress",
    "resume",
    "run",
    "supervised",
    "taps",
    "train_step",
]
