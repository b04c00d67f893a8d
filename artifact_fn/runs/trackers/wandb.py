"""Weights & Biases: runs told to its service, or to files for `wandb sync`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from artifact_fn.runs.storage.names import safe
from artifact_fn.runs.trackers.apart import TELLERS, Apart, installed
from artifact_fn.runs.trackers.contract import Artifact, Head, Item, Scores, State, Status
from artifact_fn.runs.trackers.names import Names, mapped
from artifact_fn.runs.trackers.reach import reach

_TAKEN = frozenset({"epoch", "step"})
_CODES: dict[State, int] = {"running": 0, "finished": 0, "interrupted": 130, "failed": 1}
_SERVICE = "https://api.wandb.ai"


@attrs.frozen
class WandB:
    """Runs in Weights & Biases, each with the id that its journal has.

    An epoch is a row, with its epoch, its step and its time; plots are images, arrays and other
    files are files of the run, under `artifacts/`. The key is read by W&B's client from
    `WANDB_API_KEY`, the address of a server of one's own from `WANDB_BASE_URL`.

    Attributes:
        project: Its name.
        offline: A directory, where runs are written to `wandb/offline-run-*`, to be sent later by
            `wandb sync`; None to send them now.
        entity: A user or a team; by default that of the key.
        group: Under which runs are shown together, such as those of a sweep.
        axis: What curves are drawn over.
        patience: Seconds until its client is given up and tried again.

    Example:
        >>> WandB("heart", offline="/tmp/runs").name
        'wandb heart /tmp/runs'
    """

    project: str
    offline: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    entity: str | None = None
    group: str | None = None
    axis: Literal["epoch", "step"] = "epoch"
    patience: float = 60.0

    @property
    def name(self) -> str:
        """By project and place."""
        place = os.environ.get("WANDB_BASE_URL", "") if self.offline is None else self.offline
        whole = self.project if self.entity is None else f"{self.entity}/{self.project}"
        return f"wandb {whole} {place.absolute() if isinstance(place, Path) else place}".strip()

    def check(self) -> None:
        """See that W&B is there.

        Raises:
            TrackerError: it is not installed.
        """
        installed("wandb", "wandb")

    def open(self, head: Head) -> "_Connection":
        """Find the run again, or begin it."""
        if self.offline is None:
            reach(os.environ.get("WANDB_BASE_URL") or _SERVICE)
        names = Names()
        params = {names.key(name): text for name, text in head.params.items()}
        place = head.root / "trackers" if self.offline is None else self.offline
        about = {
            "id": safe(head.id),
            "name": head.name,
            "project": self.project,
            "entity": self.entity,
            "group": self.group,
            "axis": self.axis,
            "place": str(place.absolute()),
            "offline": self.offline is not None,
            "config": {**params, "begun": dict(head.tags), "names": dict(names.made)},
        }
        experiment = [["experiment.json", str(head.root / "experiment.json")]]
        connection = _Connection(
            Apart(TELLERS / "wandb.py", self.patience, {}, about), names, experiment
        )
        connection.send([])
        return connection


@attrs.define(eq=False)
class _Connection:
    apart: Apart
    names: Names
    files: list[list[str]]
    state: State = "running"

    def send(self, items: Sequence[Item]) -> None:
        rows: dict[tuple[int, float], dict[str, Any]] = {}
        known, config = len(self.names.made), {}
        for item in items:
            match item:
                case Scores():
                    values = {self._key(name): value for name, value in item.values.items()}
                    _row(rows, item)["values"].update(values)
                case Artifact():
                    item.content()  # it is what was written
                    if item.sort == "plot":
                        _row(rows, item)["images"][self._key(item.name)] = str(item.path)
                    else:
                        name = f"artifacts/{mapped(item.name)}/{item.path.name}"
                        self.files.append([name, str(item.path)])
                case Status():
                    self.state = item.state
                    config = {"status": f"{item.state}: {item.reason}".removesuffix(": ")}
        names = dict(self.names.made) if len(self.names.made) > known else None
        order = {"rows": list(rows.values()), "files": self.files, "config": config, "names": names}
        self.apart.ask(order)
        self.files = []

    def _key(self, name: str) -> str:
        # What begins with _ is W&B's own.
        return self.names.key(name, taken=name in _TAKEN or name.startswith("_"))

    def close(self) -> None:
        self.apart.close(_CODES[self.state])


def _row(rows: dict[tuple[int, float], dict[str, Any]], item: Scores | Artifact) -> dict[str, Any]:
    begun: dict[str, Any] = {
        "epoch": item.epoch,
        "step": item.step,
        "at": item.at,
        "values": {},
        "images": {},
    }
    return rows.setdefault((item.epoch, item.at), begun)
