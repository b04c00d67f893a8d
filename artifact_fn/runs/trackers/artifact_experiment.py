"""artifact-experiment: scores told through one of its clients, with what those lack.

Its clients number the values of a name by counting them, and write from a thread that can be
neither asked nor flushed. So what is there is read back: to leave out what was told before, and to
know when a batch has arrived.
"""

import csv
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from artifact_fn.runs.directory import Directory
from artifact_fn.runs.storage.values import decode
from artifact_fn.runs.trackers.contract import Head, Item, Scores, TrackerError
from artifact_fn.runs.trackers.cursor import Cursor, following
from artifact_fn.runs.trackers.extra import needed
from artifact_fn.runs.trackers.names import mapped

_CLIENTS = {"filesystem": "FilesystemTrackingClient", "mlflow": "MlflowTrackingClient"}


@attrs.frozen
class ArtifactExperiment:
    """Scores in artifact-experiment, as `split--NAME`, in the order of the journal.

    It knows neither epochs nor params, and whatever it is told of a run that has ended is an
    error; so the run is not ended there. Arrays and plots stay in the run's directory.

    Attributes:
        client: Which of its clients: `filesystem` (under `~/artifact_ml`) or `mlflow` (at
            `MLFLOW_TRACKING_URI`).
        experiment: Its experiment's id.
        patience: Seconds until a batch that has not arrived is told anew.

    Raises:
        TrackerError: it is another client, of which nothing can be read back.

    Example:
        >>> ArtifactExperiment("filesystem", "heart").name
        'artifact-experiment filesystem heart'
    """

    client: Literal["filesystem", "mlflow"]
    experiment: str
    patience: float = 60.0

    def __attrs_post_init__(self) -> None:
        if self.client not in _CLIENTS:
            raise TrackerError(
                "what this client of artifact-experiment has cannot be read back",
                got=f"client={self.client!r}",
                do=f"take one of {', '.join(_CLIENTS)}, or tell the backend without it",
            )

    @property
    def name(self) -> str:
        """By client and experiment."""
        return f"artifact-experiment {self.client} {self.experiment}"

    def check(self) -> None:
        """Import artifact-experiment (6 s: it imports every backend it has).

        Raises:
            TrackerError: it is not installed.
        """
        needed("artifact_experiment.tracking", "artifact-experiment")

    def open(self, head: Head) -> "_Connection":
        """Find the run again, or begin it."""
        module = needed("artifact_experiment.tracking", "artifact-experiment")
        run = f"{mapped(head.name).replace('/', '_')}-{head.id[:8]}"
        client = getattr(module, _CLIENTS[self.client]).build(
            experiment_id=self.experiment, run_id=run
        )
        return _Connection(self, head, client)


@attrs.define(eq=False)
class _Connection:
    tracker: ArtifactExperiment
    head: Head
    client: Any
    cursor: Cursor = attrs.field(factory=Cursor)
    known: Counter[str] = attrs.field(factory=Counter)
    numbers: dict[tuple[str, int, float], int] = attrs.field(factory=dict)

    def send(self, items: Sequence[Item]) -> None:
        self.number()
        wanted: dict[str, int] = {}
        there: dict[str, int] = {}
        for item in (item for item in items if isinstance(item, Scores)):
            for name, value in item.values.items():
                key, number = key_of(name), self.numbers[name, item.epoch, item.at]
                there.setdefault(key, self.count(key))
                if number > there[key]:
                    self.client.log_score(score=value, name=key)
                wanted[key] = max(number, wanted.get(key, 0))
        self.arrive(wanted)

    def number(self) -> None:
        """Which of a name's values each one is, from 1, by the journal."""
        path = Directory(self.head.root).journal
        while True:
            records, self.cursor = following(path, self.cursor, 64)
            if not records:
                return
            for record in records:
                if record["kind"] == "epoch":
                    at = self.head.began + decode(record["seconds"], {})
                    for name in record["scores"]:
                        self.known[name] += 1
                        key = name, record["epoch"], at
                        self.numbers.setdefault(key, self.known[name])

    def count(self, key: str) -> int:
        """Values of a name that are there."""
        if self.tracker.client == "mlflow":
            path = f"artifacts/scores/{key}"  # it puts its own root before it
            return len(self.client.run.get_ls_score_history(backend_path=path))
        file = Path(self.client.run.run_dir) / "artifacts" / "scores" / key
        if not file.exists():
            return 0
        with file.open(newline="") as rows:
            return max(sum(1 for _ in csv.reader(rows)) - 1, 0)

    def arrive(self, wanted: dict[str, int]) -> None:
        """Wait until all of it can be read back.

        Raises:
            TimeoutError: it takes too long, or its thread has died.
        """
        until = time.monotonic() + self.tracker.patience
        for key, number in wanted.items():
            while self.count(key) < number:
                # There is no public way to ask.
                thread = self.client._logger_worker._thread
                if thread is None or not thread.is_alive():
                    raise TimeoutError("the thread of artifact-experiment's client has died")
                if time.monotonic() > until:
                    raise TimeoutError(f"{key} has not arrived")
                time.sleep(0.02)

    def close(self) -> None:
        """End its thread. `client.stop()` would end the run, too, which then cannot be taken up."""
        self.client._logger_worker.stop()


def key_of(name: str) -> str:
    """A score's name without `/`, which would be a directory; injective.

    Example:
        >>> key_of("val/ROC_AUC")
        'val--ROC_AUC'
    """
    key = name.replace("/", "--")
    if "--" not in name and mapped(key) == key:
        return key
    return mapped(f"//{name}").replace("/", "_")
