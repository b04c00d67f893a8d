"""Runs: effects. The only code that touches the screen, the clock and the disk."""

from artifact_fn.runs.faults import (
    Changed,
    Damaged,
    Fault,
    Interrupted,
    Locked,
    Missing,
    NotFinite,
    Occupied,
    Storage,
)
from artifact_fn.runs.progress import progress
from artifact_fn.runs.recorded import Recorded, load_run
from artifact_fn.runs.run import Show, resume, run
from artifact_fn.runs.saving import Saving
from artifact_fn.runs.then import then
from artifact_fn.runs.weights import export_weights, import_weights, to_module

__all__ = [
    "Changed",
    "Damaged",
    "Fault",
    "Interrupted",
    "Locked",
    "Missing",
    "NotFinite",
    "Occupied",
    "Recorded",
    "Saving",
    "Show",
    "Storage",
    "export_weights",
    "import_weights",
    "load_run",
    "progress",
    "resume",
    "run",
    "then",
    "to_module",
]
