"""Sweeps: many experiments of one workflow, each a run of its own, on the workers of a cluster.

Who decides which points are tried, and which trials are ended early, is Ray Tune (extra `ray`).
What is trained, saved and told is the run in each trial's directory.
"""

from artifact_fn.runs.sweeps.sweep import resume_sweep, sweep
from artifact_fn.runs.sweeps.swept import Swept, Trial, load_sweep

__all__ = ["Swept", "Trial", "load_sweep", "resume_sweep", "sweep"]
