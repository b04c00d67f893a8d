"""Training: the arithmetic of training, pure."""

from artifact_fn.training import metrics, reducers, taps
from artifact_fn.training.compiled import Compiled, compiled, eager
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
from artifact_fn.training.diagnostics import diagnostics
from artifact_fn.training.ensemble import Ensemble, ensemble
from artifact_fn.training.evaluation import evaluate, evaluation
from artifact_fn.training.experiment import Experiment, Place
from artifact_fn.training.footprint import Footprint, footprint
from artifact_fn.training.functional import functional
from artifact_fn.training.judged import Outcome, collected, validation
from artifact_fn.training.loop import epochs, fit
from artifact_fn.training.losses import from_output, weighted
from artifact_fn.training.member_evaluation import evaluate_each
from artifact_fn.training.member_experiment import train_each
from artifact_fn.training.member_folds import best_of_each, each_control, stop_each
from artifact_fn.training.member_predictions import disagreement, mixture, predict_each
from artifact_fn.training.objectives import minimise, objective, supervised
from artifact_fn.training.pairing import On, Pairing, on, typed
from artifact_fn.training.per_sample import clipped_grads, per_sample_grads
from artifact_fn.training.precision import autocast
from artifact_fn.training.prediction import predict
from artifact_fn.training.routines import Routine, with_plots
from artifact_fn.training.sequence import sequence
from artifact_fn.training.state import TrainState
from artifact_fn.training.step import eval_step, train_step
from artifact_fn.training.stream import Advance, Event, Stream
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
    "Event",
    "Experiment",
    "Footprint",
    "HasForward",
    "HasKeyedForward",
    "Model",
    "ModelInput",
    "ModelOutput",
    "Objective",
    "On",
    "Outcome",
    "Pairing",
    "Place",
    "Routine",
    "Source",
    "Step",
    "Stream",
    "TrainState",
    "Workflow",
    "autocast",
    "best_of_each",
    "clipped_grads",
    "collected",
    "compiled",
    "cuts",
    "diagnostics",
    "disagreement",
    "each_control",
    "eager",
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
    "predict",
    "predict_each",
    "reducers",
    "sequence",
    "stop_each",
    "supervised",
    "taps",
    "train_each",
    "train_step",
    "typed",
    "validation",
    "weighted",
    "with_plots",
]
