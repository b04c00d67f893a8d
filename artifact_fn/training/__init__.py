"""Training: the arithmetic of training, pure."""

from artifact_fn.training import metrics
from artifact_fn.training.compiled import Compiled, compiled, eager
from artifact_fn.training.contracts import Arguments, Aux, Batch, Model, Objective, Source, Step
from artifact_fn.training.cuts import Cut, cuts
from artifact_fn.training.experiment import Experiment, Place
from artifact_fn.training.functional import functional
from artifact_fn.training.loop import Advance, Event, Stream, epochs, fit
from artifact_fn.training.objectives import (
    from_output,
    minimise,
    objective,
    supervised,
    weighted,
)
from artifact_fn.training.precision import autocast
from artifact_fn.training.routines import Routine, evaluate, evaluation
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import eval_step, sequence, train_step

__all__ = [
    "Advance",
    "Arguments",
    "Aux",
    "Batch",
    "Compiled",
    "Cut",
    "Event",
    "Experiment",
    "Model",
    "Objective",
    "Place",
    "Routine",
    "Source",
    "Step",
    "Stream",
    "TrainState",
    "autocast",
    "compiled",
    "cuts",
    "eager",
    "epochs",
    "eval_step",
    "evaluate",
    "evaluation",
    "fit",
    "from_output",
    "functional",
    "metrics",
    "minimise",
    "objective",
    "sequence",
    "supervised",
    "train_step",
    "weighted",
]
