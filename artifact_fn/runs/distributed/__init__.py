"""Distributed: the processes of a run, and the run that is theirs together."""

from artifact_fn.runs.distributed.lost import Elsewhere, Lost, Stalled
from artifact_fn.runs.distributed.processes import Processes, processes
from artifact_fn.runs.distributed.shards import load_shards, save_shards
from artifact_fn.runs.distributed.together import together

__all__ = [
    "Elsewhere",
    "Lost",
    "Processes",
    "Stalled",
    "load_shards",
    "processes",
    "save_shards",
    "together",
]
