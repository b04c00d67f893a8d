"""Folds: everything that reads the stream of epochs. Plain Python, without torch."""

from artifact_fn.folds.cadence import Cadence, any_of, every, first
from artifact_fn.folds.epoch import Epoch, Run, Stop, watch
from artifact_fn.folds.fold import Fold, named, run, scan
from artifact_fn.folds.history import history
from artifact_fn.folds.interval import Interval, band, interval
from artifact_fn.folds.members import all_ended, each, ended, member_history
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
    "Interval",
    "Mode",
    "Run",
    "Stop",
    "Stopper",
    "all_ended",
    "any_of",
    "at_most",
    "band",
    "best",
    "diverged",
    "each",
    "ended",
    "every",
    "first",
    "history",
    "interval",
    "last",
    "member_history",
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
