"""Parallel: one step, taken by several processes together."""

from artifact_fn.training.parallel.agreement import agreeing, check_agreement
from artifact_fn.training.parallel.mesh import ALONE, Mesh
from artifact_fn.training.parallel.replicas import data_parallel
from artifact_fn.training.parallel.sharded import Shards, gathered, held, scattered, sharded
from artifact_fn.training.parallel.synchronised import synchronised

__all__ = [
    "ALONE",
    "Mesh",
    "Shards",
    "agreeing",
    "check_agreement",
    "data_parallel",
    "gathered",
    "held",
    "scattered",
    "sharded",
    "synchronised",
]
