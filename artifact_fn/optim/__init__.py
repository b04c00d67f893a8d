"""Optim: pure gradient transformations and the rules that end them."""

from artifact_fn.optim import schedules
from artifact_fn.optim.adaptive import adadelta, adagrad, rmsprop
from artifact_fn.optim.averaged import asgd
from artifact_fn.optim.averaging import averaged, ema, swa
from artifact_fn.optim.clipping import (
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from artifact_fn.optim.cycles import cyclic, one_cycle, warm_restarts
from artifact_fn.optim.groups import by_path, freeze, masked
from artifact_fn.optim.guards import check_skips, skip_nonfinite
from artifact_fn.optim.hyper import lowered, reduce_on_plateau, scheduled
from artifact_fn.optim.leafwise import RuleState, leafwise
from artifact_fn.optim.matrices import muon
from artifact_fn.optim.moments import adamax, nadam, radam
from artifact_fn.optim.rules import adam, adamw, sgd
from artifact_fn.optim.schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    join,
    linear,
    multistep,
    polynomial,
    scaled,
    step,
    warmup,
)
from artifact_fn.optim.signs import lion, rprop
from artifact_fn.optim.torch_state import from_torch, to_torch
from artifact_fn.optim.transform import Optimizer, Rule, Transform, chain

__all__ = [
    "Optimizer",
    "Rule",
    "RuleState",
    "Schedule",
    "Transform",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "averaged",
    "by_path",
    "chain",
    "check_skips",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "cyclic",
    "ema",
    "exponential",
    "freeze",
    "from_torch",
    "global_norm",
    "join",
    "leafwise",
    "linear",
    "lion",
    "lowered",
    "masked",
    "multistep",
    "muon",
    "nadam",
    "one_cycle",
    "polynomial",
    "radam",
    "reduce_on_plateau",
    "rmsprop",
    "rprop",
    "scaled",
    "scheduled",
    "schedules",
    "sgd",
    "skip_nonfinite",
    "step",
    "swa",
    "to_torch",
    "warm_restarts",
    "warmup",
]
