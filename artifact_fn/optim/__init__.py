"""Optim: pure gradient transformations and the rules that end them."""

from artifact_fn.optim import schedules
from artifact_fn.optim.clipping import clip_by_global_norm, clip_by_value, global_norm
from artifact_fn.optim.rules import AdamState, SgdState, adam, adamw, sgd
from artifact_fn.optim.schedules import Schedule, constant, cosine, step, warmup
from artifact_fn.optim.transform import Optimizer, Rule, Transform, chain

__all__ = [
    "AdamState",
    "Optimizer",
    "Rule",
    "Schedule",
    "SgdState",
    "Transform",
    "adam",
    "adamw",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "global_norm",
    "schedules",
    "sgd",
    "step",
    "warmup",
]
