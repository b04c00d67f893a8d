"""Training: the arithmetic of training, pure."""

from artifact_fn.training import metrics
from artifact_fn.training.compiled import Compiled, compiled
from artifact_fn.training.contracts import (
    Arguments,
    Aux,
    Batch,
    HasForward,
    HasKeyedForward,
    Model,
    ModelInput,
    ModelOutput,
    Objective,
    Source,
    Step,
)
from artifact_fn.training.control import Control
from artifact_fn.training.cuts import Cut, cuts
from artifact_fn.training.declared import Declared
from artifact_fn.training.ensemble import Ensemble, ensemble
from artifact_fn.training.footprint import Footprint, footprint
from artifact_fn.training.functional import functional
from artifact_fn.training.loop import Advance, Stream, epochs, fit
from artifact_fn.training.member_evaluation import evaluate_each
from artifact_fn.training.member_folds import best_of_each, each_control, stop_each
from artifact_fn.training.objectives import (
    from_output,
    minimise,
    objective,
    supervised,
    weighted,
)
from artifact_fn.training.pairing import On, Pairing, on, typed
from artifact_fn.training.per_sample import clipped_grads, per_sample_grads
from artifact_fn.training.precision import autocast
from artifact_fn.training.predictions import disagreement, mixture, predict_each
from artifact_fn.training.routines import Routine, evaluate, evaluation
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import eval_step, sequence, train_step
from artifact_fn.training.workflow import Workflow

__all__ = [
    "Advance",
    "Arguments",
    "Aux",
    "Batch",
    "Compiled",
    "Control",
    "Cut",
    "Declared",
    "Ensemble",
    "Footprint",
    "HasForward",
    "HasKeyedForward",
    "Model",
    "ModelInput",
    "ModelOutput",
    "Objective",
    "On",
    "Pairing",
    "Routine",
    "Source",
    "Step",
    "Stream",
    "TrainState",
    "Workflow",
    "autocast",
    "best_of_each",
    "clipped_grads",
    "compiled",
    "cuts",
    "disagreement",
    "each_control",
    "ensemble",
    "epochs",
    "eval_step",
    "evaluate",
    "evaluate_each",
    "evaluation",
    "fit",
    "footprint",
    "from_output",
    "functional",
    "metrics",
    "minimise",
    "mixture",
    "objective",
    "on",
    "per_sample_grads",
    "predict_each",
    "sequence",
    "stop_each",
    "supervised",
    "train_step",
    "typed",
    "weighted",
]
