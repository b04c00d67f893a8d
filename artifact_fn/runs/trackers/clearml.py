"""ClearML: runs told to its server, or to offline sessions, which are imported later."""

import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from artifact_fn.runs.storage.names import divided
from artifact_fn.runs.trackers.apart import TELLERS, Apart, installed
from artifact_fn.runs.trackers.contract import Artifact, Head, Item, Scores, Status
from artifact_fn.runs.trackers.names import Names, mapped
from artifact_fn.runs.trackers.reach import reach


@attrs.frozen
class ClearML:
    """Runs as tasks of ClearML, found again by the tag `artifact_fn.id:<id>`.

    A score is a scalar, titled by its name, with the split as its series; a plot is an image, and
    every artifact is one of ClearML's, too, as `split/NAME/<epoch>`. Nothing is connected by itself:
    neither frameworks nor arguments, output, resources or the repository. Keys are read by ClearML's
    client from `CLEARML_API_ACCESS_KEY`, `CLEARML_API_SECRET_KEY`, `CLEARML_API_HOST` or its file.

    Attributes:
        project: Its name.
        offline: A directory, where sessions are written to `offline/`, to be sent later by
            `clearml.Task.import_offline_session`; None to send them now.
        patience: Seconds until its client, which writes every five, is given up and tried again.

    Example:
        >>> ClearML("heart", offline="/tmp/runs").name
        'clearml heart /tmp/runs'
    """

    project: str
    offline: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    patience: float = 120.0

    @property
    def name(self) -> str:
        """By project and place."""
        place = os.environ.get("CLEARML_API_HOST", "") if self.offline is None else self.offline
        place = place.absolute() if isinstance(place, Path) else place
        return f"clearml {self.project} {place}".strip()

    def check(self) -> None:
        """See that ClearML is there.

        Raises:
            TrackerError: it is not installed.
        """
        installed("clearml", "clearml")

    def open(self, head: Head) -> "_Connection":
        """Find the task again, or begin it."""
        environment = {"CLEARML_LOG_LEVEL": "ERROR"}
        if self.offline is None:
            reach(os.environ.get("CLEARML_API_HOST", ""))
        else:
            environment |= {
                "CLEARML_OFFLINE_MODE": "1",
                "CLEARML_CACHE_DIR": str(self.offline.absolute()),
            }
        about = {
            "project": self.project,
            "name": head.name,
            "tag": f"artifact_fn.id:{head.id}",
            "place": str(self.offline.absolute()) if self.offline else "",
            "offline": self.offline is not None,
            "parameters": {
                **{f"params/{name}": text for name, text in head.params.items()},
                **{f"begun/{name}": text for name, text in head.tags.items()},
            },
        }
        apart = Apart(TELLERS / "clearml.py", self.patience, environment, about)
        files = [["experiment.json", str(head.root / "experiment.json")]]
        return _Connection(apart, Names(), files)


@attrs.define(eq=False)
class _Connection:
    apart: Apart
    names: Names
    files: list[list[str]]

    def send(self, items: Sequence[Item]) -> None:
        scalars: list[list[object]] = []
        images: list[list[object]] = []
        known, status, parameters = len(self.names.made), None, {}
        for item in items:
            match item:
                case Scores():
                    for name, value in item.values.items():
                        scalars.append([*self._titled(name), item.epoch, value])
                    if item.step is not None:
                        scalars.append(["artifact_fn.step", "train", item.epoch, float(item.step)])
                case Artifact():
                    item.content()  # it is what was written
                    if item.sort == "plot":
                        images.append([*self._titled(item.name), item.epoch, str(item.path)])
                    name = f"{mapped(item.name)}/{item.epoch:06}"
                    self.files.append([name, str(item.path)])
                case Status():
                    status = {"state": item.state, "reason": item.reason}
                    parameters["run/status"] = f"{item.state}: {item.reason}".removesuffix(": ")
        if len(self.names.made) > known:
            parameters |= {f"names/{key}": name for key, name in self.names.made.items()}
        order = {"scalars": scalars, "images": images, "files": self.files}
        self.apart.ask({**order, "status": status, "parameters": parameters})
        self.files = []

    def _titled(self, name: str) -> list[str]:
        """A title and a series; `all` is the series of names without a split."""
        split, rest = divided(name)
        taken = "/" in name and split == "all"
        series = self.names.key(split, taken=taken)
        return [self.names.key(rest, taken=rest == "artifact_fn.step"), series]

    def close(self) -> None:
        self.apart.close(0)
