"""Trackers: backends that are told of runs, from their journals."""

from artifact_fn.runs.trackers.artifact_experiment import ArtifactExperiment
from artifact_fn.runs.trackers.clearml import ClearML
from artifact_fn.runs.trackers.contract import (
    Artifact,
    Connection,
    Head,
    Item,
    RefusedError,
    Scores,
    Status,
    Tracker,
    TrackerError,
)
from artifact_fn.runs.trackers.file_system import FileSystem
from artifact_fn.runs.trackers.memory import Memory, Told
from artifact_fn.runs.trackers.mlflow import MLflow
from artifact_fn.runs.trackers.mlflow_files import load_weights
from artifact_fn.runs.trackers.mlflow_sweep import sweep_run
from artifact_fn.runs.trackers.replay import Undelivered, replay
from artifact_fn.runs.trackers.tensorboard import TensorBoard
from artifact_fn.runs.trackers.wandb import WandB

__all__ = [
    "Artifact",
    "ArtifactExperiment",
    "ClearML",
    "Connection",
    "FileSystem",
    "Head",
    "Item",
    "MLflow",
    "Memory",
    "RefusedError",
    "Scores",
    "Status",
    "TensorBoard",
    "Told",
    "Tracker",
    "TrackerError",
    "Undelivered",
    "WandB",
    "load_weights",
    "replay",
    "sweep_run",
]
