"""Telling: the command that tells a tracker of runs, afterwards."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from artifact_fn.cli.told import Flag, said, told, value_of
from artifact_fn.errors import CommandError
from artifact_fn.runs.trackers import (
    ArtifactExperiment,
    ClearML,
    FileSystem,
    MLflow,
    TensorBoard,
    Tracker,
    WandB,
)
from artifact_fn.runs.trackers import replay as replayed

Axis = Literal["epoch", "step"]


def replay(
    *directories: Path,
    to: str,
    experiment: str | None = None,
    axis: Axis = "epoch",
    patience: float = 60.0,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Tell a tracker of runs from their beginning; twice equals once.

    Parameters
    ----------
    directories
        Of the runs, or copies of them.
    to
        backend:where. mlflow:URI of a server or database; tensorboard:DIR; files:DIR; wandb or
        clearml, which send, or with :DIR write to be sent later; artifact-experiment:CLIENT.
    experiment
        Its name, or that of the project, there; by default that of the runs' parent directory.
    axis
        What MLflow, W&B and TensorBoard draw curves over.
    patience
        Seconds for which a backend that does not answer is tried again.
    json
        Print one JSON object a run.
    """
    if not directories:
        raise CommandError("a run is to be told", got="no directory", do="name its directory")
    for directory in directories:
        name = experiment or directory.absolute().parent.name or "artifact_fn"
        tracker = tracker_at(to, name, axis)
        records = value_of(replayed(directory, tracker, patience=patience))
        if json:
            told({"directory": str(directory), "tracker": tracker.name, "records": records})
        else:
            said(f"{directory}: {records} records told to {tracker.name}")
    return 0


def tracker_at(to: str, experiment: str, axis: Axis = "epoch") -> Tracker:
    """A tracker from what is written on a command line.

    Args:
        to: `backend:where`.
        experiment: The name of an experiment or project there.
        axis: What curves are drawn over.

    Raises:
        CommandError: there is no such backend, or it does not say where.
        TrackerError: the backend cannot be there.

    Example:
        >>> tracker_at("mlflow:sqlite:////data/mlflow.db", "heart").name
        'mlflow sqlite:////data/mlflow.db heart'
    """
    backend, _, where = to.partition(":")
    place = Path(where) if where else None
    made: Mapping[str, Callable[[], Tracker]] = {
        "mlflow": lambda: MLflow(where or None, experiment, axis=axis),
        "tensorboard": lambda: TensorBoard(place or _missing(to), axis),
        "files": lambda: FileSystem(place or _missing(to)),
        "wandb": lambda: WandB(experiment, place, axis=axis),
        "clearml": lambda: ClearML(experiment, place),
        "artifact-experiment": lambda: ArtifactExperiment(where or "filesystem", experiment),  # type: ignore[arg-type]
    }
    if backend == "neptune":
        raise CommandError(
            "Neptune cannot be told",
            got="its service was shut down in March 2026",
            do="take another backend; files:DIR needs none",
        )
    if backend not in made:
        raise CommandError(
            f"there is no backend {backend!r}", got=to, do=f"write one of {', '.join(made)}"
        )
    return made[backend]()


def _missing(to: str) -> Path:
    raise CommandError(f"{to} does not say where", got="no directory", do=f"write {to}:DIR")
