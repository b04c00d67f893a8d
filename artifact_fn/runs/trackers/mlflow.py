"""MLflow: runs told to a tracking server, or to a database beside them.

MLflow's database keeps a point once that has the same metric, step, time and value, and all of
these are the journal's, so that telling it twice is telling it once. Where another store is behind
a server, what is there already is looked up.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import attrs

from artifact_fn.runs.trackers.contract import (
    Artifact,
    Head,
    Item,
    RefusedError,
    Scores,
    State,
    Status,
    TrackerError,
)
from artifact_fn.runs.trackers.extra import needed
from artifact_fn.runs.trackers.mlflow_files import upload
from artifact_fn.runs.trackers.names import mapped
from artifact_fn.runs.trackers.reach import reach
from artifact_fn.runs.trackers.secrets import check_address
from artifact_fn.runs.trackers.selected import export_selected

T = TypeVar("T")

ID, STEP = "artifact_fn.id", "artifact_fn.step"
"""The tag by which a run is found again; the metric that says an epoch's steps."""

_SECRETS = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
_METRICS, _TAGS = 1000, 100  # in one request
_TEXT = 500  # characters of a parameter; newer servers take more
_STATES: dict[State, str] = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "interrupted": "KILLED",
    "failed": "FAILED",
}
_SOURCES = {"git": "mlflow.source.git.commit", "command": "mlflow.source.name"}


@attrs.frozen
class MLflow:
    """Runs in MLflow.

    Credentials are read by MLflow's client from `MLFLOW_TRACKING_USERNAME`,
    `MLFLOW_TRACKING_PASSWORD` or `MLFLOW_TRACKING_TOKEN`.

    Attributes:
        uri: Of a server or database. By default `MLFLOW_TRACKING_URI`, or else `mlflow.db`
            (SQLite) in the parent of the run's directory.
        experiment: Its name; by default that of the parent of the run's directory.
        run: Its name; by default that of its directory.
        parent: Id of the MLflow run that it is shown under, such as `sweep_run` answers.
        axis: What MLflow calls the step; the other one is told as a metric or by the time.
        weights: Whether the selected weights of a run that has finished are uploaded, as
            `weights/selected.safetensors`, from where `load_weights` takes them.

    Raises:
        TrackerError: `uri` has a password in it, or names a directory: MLflow has closed its file
            store, which kept points twice.

    Example:
        >>> MLflow("http://localhost:5000", experiment="heart").name
        'mlflow http://localhost:5000 heart'
    """

    uri: str | None = None
    experiment: str | None = None
    run: str | None = None
    parent: str | None = None
    axis: Literal["epoch", "step"] = "epoch"
    weights: bool = True

    def __attrs_post_init__(self) -> None:
        check_address(self.uri or "", _SECRETS)
        scheme = urlsplit(self.uri).scheme if self.uri else ""
        if self.uri is not None and (len(scheme) < 2 or scheme == "file"):
            raise TrackerError(
                "MLflow's file store keeps a point twice that is told twice",
                got=f"uri={self.uri!r}",
                do="give sqlite:///path/mlflow.db, or the address of a server",
            )

    @property
    def name(self) -> str:
        """By address and experiment."""
        parts = ["mlflow", self._address() or "beside the run", self.experiment or ""]
        return " ".join(part for part in parts if part)

    def _address(self) -> str | None:
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI")

    def check(self) -> None:
        """Import MLflow, and what its databases need.

        Raises:
            TrackerError: it is not installed.
        """
        address = self._address()
        check_address(address or "", _SECRETS)
        needed("mlflow.tracking", "mlflow")
        if address is None or not address.startswith("http"):
            needed("mlflow.store.tracking.sqlalchemy_store", "mlflow")

    def open(self, head: Head) -> "_Connection":
        """Find the run again by its tag, or create it, and tell what it is."""
        self.check()
        beside = head.root.parent
        address = self._address() or f"sqlite:///{beside / 'mlflow.db'}"
        reach(address)
        client = needed("mlflow.tracking", "mlflow").MlflowClient(tracking_uri=address)
        name = self.experiment or beside.name or "artifact_fn"
        found = client.get_experiment_by_name(name)
        place = None
        if address.startswith("sqlite"):
            database = Path(address.removeprefix("sqlite:///"))
            place = (database.absolute().parent / "mlartifacts" / mapped(name)).as_uri()
        experiment = found.experiment_id if found else client.create_experiment(name, place)
        runs = client.search_runs([experiment], filter_string=f"tags.`{ID}` = '{head.id}'")
        run = runs[0] if runs else self._create(client, experiment, head)
        connection = _Connection(self, head, client, address, run.info, bool(runs))
        connection.begin(run)
        return connection

    def _create(self, client: Any, experiment: str, head: Head) -> Any:
        tags = {ID: head.id} | ({"mlflow.parentRunId": self.parent} if self.parent else {})
        started = round(head.began * 1000)
        return client.create_run(experiment, started, tags, self.run or head.name)


@attrs.define(eq=False)
class _Connection:
    tracker: MLflow
    head: Head
    client: Any
    address: str
    info: Any  # of the run
    known: bool  # there may be more in it than this connection has told
    looked: dict[str, set[tuple[int, int]]] = attrs.field(factory=dict)
    renamed: dict[str, str] = attrs.field(factory=dict)

    def begin(self, run: Any) -> None:
        """Tell params and tags; params cannot be changed, so later ones become tags."""
        mlflow = needed("mlflow.entities", "mlflow")
        then = run.data.params
        params = {self.key(name): text[:_TEXT] for name, text in self.head.params.items()}
        fresh = {key: text for key, text in params.items() if key not in then}
        changed = {f"changed.{k}": v for k, v in params.items() if k in then and then[k] != v}
        tags = {_SOURCES.get(name, f"begun.{name}"): v for name, v in self.head.tags.items()}
        for part in _parts([mlflow.Param(*pair) for pair in fresh.items()], _TAGS):
            self.client.log_batch(self.info.run_id, params=part)
        self.tags({**tags, **changed, **self.named()})
        upload(self.client, self.address, self.info, self.head.root / "experiment.json")

    def key(self, name: str) -> str:
        """A name that MLflow takes; if it is another, the original becomes a tag."""
        taken = name.startswith("artifact_fn.")
        key = mapped(f"{name} " if taken else name)
        if key != name:
            self.renamed.setdefault(key, name)
        return key

    def named(self) -> dict[str, str]:
        """Tags of the names that were not told yet."""
        found = {f"name.{key}": name for key, name in self.renamed.items() if name}
        self.renamed = dict.fromkeys(self.renamed, "")
        return found

    def tags(self, tags: Mapping[str, str]) -> None:
        mlflow = needed("mlflow.entities", "mlflow")
        made = [mlflow.RunTag(key, value[:5000]) for key, value in tags.items()]
        for part in _parts(made, _TAGS):
            self.client.log_batch(self.info.run_id, tags=part)

    def send(self, items: Sequence[Item]) -> None:
        reach(self.address)
        exception = needed("mlflow.exceptions", "mlflow").MlflowException
        try:
            self._scores([item for item in items if isinstance(item, Scores)])
            for item in items:
                if isinstance(item, Artifact):
                    item.content()  # it is what was written
                    path = "/".join(["artifacts", mapped(item.name)])
                    upload(self.client, self.address, self.info, item.path, path)
            last = [item for item in items if isinstance(item, Status)][-1:]
            for status in last:
                self._status(status)
        except exception as cause:
            if cause.get_http_status_code() == 400:
                raise RefusedError(
                    "MLflow refuses it", got=str(cause), do="see the run's own directory"
                ) from cause
            raise

    def _scores(self, scores: Sequence[Scores]) -> None:
        mlflow = needed("mlflow.entities", "mlflow")
        made = []
        for item in scores:
            time = round(item.at * 1000)
            at = item.step if self.tracker.axis == "step" and item.step else item.epoch
            values = {self.key(name): value for name, value in item.values.items()}
            if item.step is not None:
                values[STEP] = float(item.step)
            for key, value in values.items():
                if (at, time) not in self._there(key):
                    made.append(mlflow.Metric(key, value, time, at))
        self.tags(self.named())
        for part in _parts(made, _METRICS):
            self.client.log_batch(self.info.run_id, metrics=part)

    def _there(self, key: str) -> set[tuple[int, int]]:
        """Steps and times of a metric that were there when this connection was made."""
        if not self.known:
            return set()
        if key not in self.looked:
            history = self.client.get_metric_history(self.info.run_id, key)
            self.looked[key] = {(point.step, point.timestamp) for point in history}
        return self.looked[key]

    def _status(self, status: Status) -> None:
        if status.state == "running":
            self.client.update_run(self.info.run_id, status="RUNNING")
            return
        self.tags({"artifact_fn.reason": status.reason})
        if status.state == "finished" and self.tracker.weights:
            with tempfile.TemporaryDirectory() as place:
                for path in export_selected(self.head.root, Path(place)):
                    upload(self.client, self.address, self.info, path, "weights")
        ended = round(status.at * 1000)
        self.client.set_terminated(self.info.run_id, _STATES[status.state], end_time=ended)

    def close(self) -> None:
        """The client keeps nothing back."""


def _parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (whole[i : i + size] for i in range(0, len(whole), size))
