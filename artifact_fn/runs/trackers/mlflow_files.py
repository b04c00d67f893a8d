"""Files of MLflow's runs: put there, and taken back.

A server that keeps files itself calls them `mlflow-artifacts:/...`, without saying where it is.
MLflow 2's client looks for it where the whole process is set to; here it is the run's own.
"""

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from artifact_fn.runs.trackers.extra import needed
from artifact_fn.runs.weights import import_weights
from artifact_fn.training.state import TrainState

WEIGHTS = "weights/selected.safetensors"
_ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


def upload(client: Any, address: str, info: Any, path: Path, to: str | None = None) -> None:
    """Put a file among the artifacts of a run.

    Args:
        client: MLflow's.
        address: Of the server or database.
        info: Of the run, as the client answers it.
        path: Of the file.
        to: A directory among the artifacts; their root by default.

    Raises:
        Exception: not now.
    """
    own = _own(address, info)
    if own is None:
        client.log_artifact(info.run_id, str(path), to)
    else:
        own.log_artifact(str(path), to)


def load_weights(run: str, state: TrainState, *, uri: str) -> TrainState:
    """A state with the weights that a run in MLflow has selected.

    They are kept as safetensors: nothing is unpickled.

    Args:
        run: MLflow's id of it.
        state: Of the same architecture, such as `experiment.state()`.
        uri: Of the server or database.

    Returns:
        `state` with the params and buffers of the run's selected epoch.

    Raises:
        TrackerError: MLflow is not installed.
        ArtifactFnError: the weights are of another architecture, see `import_weights`.

    Example:
        state = load_weights("5f0c...", experiment.state(), uri="http://localhost:5000")
    """
    client = needed("mlflow.tracking", "mlflow").MlflowClient(tracking_uri=uri)
    info = client.get_run(run).info
    own = _own(uri, info)
    with tempfile.TemporaryDirectory() as place:
        if own is None:
            path = client.download_artifacts(run, WEIGHTS, place)
        else:
            path = own.download_artifacts(WEIGHTS, place)
        return import_weights(path, state)


def _own(address: str, info: Any) -> Any:
    """The files that a run's own server keeps; None where it does not."""
    whole = urlsplit(info.artifact_uri)
    if whole.scheme != "mlflow-artifacts" or whole.netloc:
        return None
    module = needed("mlflow.store.artifact.http_artifact_repo", "mlflow")
    return module.HttpArtifactRepository(f"{address.rstrip('/')}{_ROUTE}{whole.path}")
