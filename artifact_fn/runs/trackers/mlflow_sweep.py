"""Sweep: a run of MLflow that others are shown under."""

from artifact_fn.runs.trackers.extra import needed
from artifact_fn.runs.trackers.reach import reach
from artifact_fn.runs.trackers.secrets import check_address

_SWEEP = "artifact_fn.sweep"


def sweep_run(name: str, *, uri: str, experiment: str) -> str:
    """The id of a sweep's run, which is made when it is asked for first.

    Args:
        name: Of the sweep.
        uri: Of a server or database.
        experiment: Its name; made if need be.

    Returns:
        What `MLflow(parent=...)` takes for each of the sweep's runs.

    Raises:
        TrackerError: MLflow is not installed, or `uri` has a password in it.
        Exception: the backend does not answer.

    Example:
        parent = sweep_run("learning rates", uri="http://localhost:5000", experiment="heart")
        run(made, root, trackers=[MLflow("http://localhost:5000", "heart", parent=parent)])
    """
    check_address(uri, "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    client = needed("mlflow.tracking", "mlflow").MlflowClient(tracking_uri=uri)
    reach(uri)
    found = client.get_experiment_by_name(experiment)
    at = found.experiment_id if found else client.create_experiment(experiment)
    # The name is compared here: a filter would have to quote it.
    for run in client.search_runs([at], filter_string=f"tags.`{_SWEEP}` != ''"):
        if run.data.tags.get(_SWEEP) == name:
            return str(run.info.run_id)
    return str(client.create_run(at, tags={_SWEEP: name}, run_name=name).info.run_id)
