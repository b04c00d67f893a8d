"""ClearML: a task of it, told from a process of its own.

Its client seeds the process's generators, takes over its signals, and knows of one task only.
Offline, it writes events into a file, some seconds later; the file is read back.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_POLL = 0.1
_MARK = "artifact_fn.txt"
"""Says whose session it is; `task.json` is torn if its process is killed at the wrong moment."""

Event = tuple[str, str, str, int, float]
"""A type, a metric, a variant, an iteration, and a value; of an image no value."""


class Teller:
    """A task.

    Args:
        about: `project`, `name`, `tag`, by which it is found again, `parameters`, and whether it
            is `offline`, in which case it may be in several sessions in `place`.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        from clearml import Task

        self.offline, tag = about["offline"], about["tag"]
        Task.set_random_seed(None)
        old = None
        if not self.offline:
            found = Task.get_tasks(project_name=about["project"], tags=[tag])
            old = found[0].id if found else None
        sessions = list(sessions_of(Path(about["place"]), tag)) if self.offline else []
        self.task = Task.init(
            project_name=about["project"],
            task_name=about["name"],
            task_type="training",
            tags=[tag],
            reuse_last_task_id=old or False,
            continue_last_task=0 if old else False,
            auto_connect_arg_parser=False,
            auto_connect_frameworks=False,
            auto_resource_monitoring=False,
            auto_connect_streams=False,
        )
        self.task.set_parameters(about["parameters"])
        if self.offline:
            self.folder = Path(self.task.get_offline_mode_folder())
            (self.folder / _MARK).write_text(tag)
            self.there = {event for folder in sessions for event in events_of(folder)}
        else:
            self.there = set(self._served())

    def send(self, order: Mapping[str, Any]) -> None:
        """Tell scalars, images, files and a status, and wait until they have arrived."""
        logger, wanted = self.task.get_logger(), set()
        for metric, variant, at, value in order["scalars"]:
            event = ("scalar", metric, variant, at, value)
            if not math.isfinite(value):
                # It would be told as zero, which it is not.
                logger.report_text(f"{variant}/{metric} of {at}: {value}", print_console=False)
            elif event not in self.there:
                logger.report_scalar(metric, variant, value, at)
                wanted.add(event)
        for metric, variant, at, path in order["images"]:
            event = ("image", metric, variant, at, 0.0)
            if event not in self.there:
                logger.report_image(metric, variant, at, local_path=path, max_image_history=-1)
                wanted |= {event} if self.offline else set()
        for name, path in order["files"]:
            if not self.task.upload_artifact(name, Path(path), wait_on_upload=True):
                raise OSError(f"{name} could not be uploaded")
        if order["parameters"]:
            self.task.update_parameters(order["parameters"])
        logger.flush(wait=False)
        while not wanted <= self._arrived():
            time.sleep(_POLL if self.offline else 1.0)
        self.there |= wanted
        self._status(order["status"])

    def close(self, code: int) -> None:
        """All of it has arrived."""

    def _status(self, status: Mapping[str, str] | None) -> None:
        if status is not None and not self.offline:
            said = {"status_message": status["reason"], "force": True}
            match status["state"]:
                case "running":
                    self.task.mark_started(force=True)
                case "finished":
                    self.task.mark_completed(**said)
                case "interrupted":
                    self.task.mark_stopped(**said)
                case _:
                    self.task.mark_failed(**said)

    def _arrived(self) -> set[Event]:
        return set(events_of(self.folder) if self.offline else self._served())

    def _served(self) -> Iterator[Event]:
        """What the server has of scalars."""
        for metric, variants in self.task.get_all_reported_scalars(max_samples=0).items():
            for variant, points in variants.items():
                for at, value in zip(points["x"], points["y"], strict=True):
                    yield "scalar", metric, variant, int(at), float(value)


def sessions_of(place: Path, tag: str) -> Iterator[Path]:
    """The folders of a task's offline sessions, the oldest first."""
    for path in sorted(place.glob(f"offline/*/{_MARK}"), key=lambda path: path.stat().st_mtime_ns):
        if path.read_text() == tag:
            yield path.parent


def events_of(folder: Path) -> Iterator[Event]:
    """What an offline session holds, up to where it was torn."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            return
        for event in told:
            kind = "image" if "image" in event["type"] else "scalar"
            at = int(event["iter"])
            yield kind, event["metric"], event["variant"], at, float(event.get("value", 0.0))
