"""Folds: everything that reads the stream of epochs. Plain Python, without torch."""

from artifact_fn.folds.cadence import Cadence, any_of, every, first
from artifact_fn.folds.epoch import Epoch, Run, Stop, watch
from artifact_fn.folds.fold import Fold, named, run, scan
from artifact_fn.folds.history import history
from artifact_fn.folds.mode import Mode
from artifact_fn.folds.plateau import plateau
from artifact_fn.folds.selection import best, last, top_k
from artifact_fn.folds.stopping import (
    Stopper,
    at_most,
    diverged,
    patience,
    reached,
    stopper,
    within,
)

__all__ = [
    "Cadence",
    "Epoch",
    "Fold",
    "Mode",
    "Run",
    "Stop",
    "Stopper",
    "any_of",
    "at_most",
    "best",
    "diverged",
    "every",
    "first",
    "history",
    "last",
    "named",
    "patience",
    "plateau",
    "reached",
    "run",
    "scan",
    "stopper",
    "top_k",
    "watch",
    "within",
]
