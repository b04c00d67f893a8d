"""TensorBoard: runs as event files.

A batch is on disk when it is acknowledged. Event files can only be appended to, so what is in
them already is read when a run is taken up, and not written again.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import attrs
import numpy as np

from artifact_fn.runs.storage import files
from artifact_fn.runs.storage.names import safe
from artifact_fn.runs.trackers.contract import Artifact, Head, Item, Scores
from artifact_fn.runs.trackers.extra import needed

_PROTO = "tensorboard.compat.proto"
Point = tuple[str, int, float]
"""A tag, a step, and a time."""


@attrs.frozen
class TensorBoard:
    """Runs as directories `<name>-<id>/` of event files, with scores, plots, params and status.

    Scores are rounded to float32, as TensorBoard keeps them. Arrays and other files it cannot
    show; they stay in the run's directory.

    Attributes:
        directory: What `tensorboard --logdir` is given.
        axis: What TensorBoard calls the step.

    Example:
        >>> TensorBoard("/tmp/logs").name
        'tensorboard /tmp/logs'
    """

    directory: Path = attrs.field(converter=Path)
    axis: Literal["epoch", "step"] = "epoch"

    @property
    def name(self) -> str:
        """By the directory."""
        return f"tensorboard {self.directory.absolute()}"

    def check(self) -> None:
        """Import TensorBoard.

        Raises:
            TrackerError: it is not installed.
        """
        for module in (
            f"{_PROTO}.event_pb2",
            f"{_PROTO}.tensor_pb2",
            f"{_PROTO}.tensor_shape_pb2",
            "tensorboard.plugins.text.metadata",
            "tensorboard.summary.writer.record_writer",
            "tensorboard.backend.event_processing.event_file_loader",
        ):
            needed(module, "tensorboard")

    def open(self, head: Head) -> "_Connection":
        """Read what was told, and begin another event file.

        Raises:
            Storage: the disk refuses.
        """
        self.check()
        place = self.directory.absolute() / f"{safe(head.name)}-{safe(head.id[:8])}"
        files.make(place)
        old = sorted(place.glob("*.tfevents.*"))
        there = {point for path in old for point in _points(path)}
        path = place / f"events.out.tfevents.{int(head.began):010}.{len(old):06}"
        with files.told(path):
            connection = _Connection(self.axis, head, path, path.open("xb"), there)
        connection.begin()
        return connection


@attrs.frozen(eq=False)
class _Connection:
    axis: str
    head: Head
    path: Path
    file: BinaryIO
    there: set[Point]

    def begin(self) -> None:
        events = needed(f"{_PROTO}.event_pb2", "tensorboard")
        first = events.Event(wall_time=self.head.began, file_version="brain.Event:2")
        self.record(first)
        table = [f"| {k} | {v} |" for k, v in self.head.params.items()]
        tags = [f"| {k} | {v} |" for k, v in self.head.tags.items()]
        for name, rows in (("params", table), ("tags", tags)):
            text = "\n".join(["| | |", "|-|-|", *(row.replace("\n", " ") for row in rows)])
            self.put(name, 0, self.head.began, **self.text(text))
        self.sync()

    def send(self, items: Sequence[Item]) -> None:
        for item in items:
            match item:
                case Scores():
                    at = item.step if self.axis == "step" and item.step else item.epoch
                    for name, value in item.values.items():
                        with np.errstate(over="ignore"):
                            rounded = float(np.float32(value))
                        self.put(name, at, item.at, simple_value=rounded)
                case Artifact(sort="plot"):
                    at = item.step if self.axis == "step" and item.step else item.epoch
                    self.put(item.name, at, item.at, **self.image(item.content()))
                case Artifact():
                    pass
                case _ if item.reason:
                    told = f"{item.state}: {item.reason}"
                    self.put("status", 0, item.at, **self.text(told))
        self.sync()

    def put(self, tag: str, step: int, at: float, **value: Any) -> None:
        """One event, unless it is there."""
        events = needed(f"{_PROTO}.event_pb2", "tensorboard")
        summary = needed(f"{_PROTO}.summary_pb2", "tensorboard").Summary
        if (tag, step, at) in self.there:
            return
        told = summary(value=[summary.Value(tag=tag, **value)])
        self.record(events.Event(wall_time=at, step=step, summary=told))
        self.there.add((tag, step, at))

    def record(self, event: Any) -> None:
        writer = needed("tensorboard.summary.writer.record_writer", "tensorboard")
        with files.told(self.path):
            writer.RecordWriter(self.file).write(event.SerializeToString())

    def image(self, png: bytes) -> dict[str, Any]:
        summary = needed(f"{_PROTO}.summary_pb2", "tensorboard").Summary
        width, height = struct.unpack(">II", png[16:24])
        shown = summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
        return {"image": shown}

    def text(self, text: str) -> dict[str, Any]:
        tensor = needed(f"{_PROTO}.tensor_pb2", "tensorboard").TensorProto
        shape = needed(f"{_PROTO}.tensor_shape_pb2", "tensorboard").TensorShapeProto
        metadata = needed("tensorboard.plugins.text.metadata", "tensorboard")
        made = tensor(dtype=7, tensor_shape=shape(), string_val=[text.encode()])
        return {"tensor": made, "metadata": metadata.create_summary_metadata("", "")}

    def sync(self) -> None:
        with files.told(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()


def _points(path: Path) -> Iterator[Point]:
    """What is in an event file, up to where it was torn."""
    module = needed("tensorboard.backend.event_processing.event_file_loader", "tensorboard")
    for event in module.LegacyEventFileLoader(str(path)).Load():
        for value in event.summary.value:
            yield value.tag, event.step, event.wall_time
