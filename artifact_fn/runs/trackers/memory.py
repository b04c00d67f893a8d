"""Memory: a tracker that keeps what it is told, for tests and notebooks."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from artifact_fn.runs.trackers.contract import Artifact, Head, Item, Scores, Status


@attrs.define(eq=False)
class Told:
    """What was told of a run. It changes while the run goes on.

    Attributes:
        head: Of the run, with its params and tags.
        scores: Of each epoch; of one that was run again with other scores, the last.
        artifacts: By name, then by epoch: arrays, mappings, values, or the bytes of a PNG.
        status: What was said last of how it goes.

    Example:
        >>> from pathlib import Path
        >>> told = Told(Head("5eed", "lines", Path("runs/lines"), 0.0, {}, {}))
        >>> told.scores[1] = Scores(1, 4, 0.5, {"val/loss": 0.25})
        >>> told.curve("val/loss")
        {1: 0.25}
    """

    head: Head
    scores: dict[int, Scores] = attrs.field(factory=dict)
    artifacts: dict[str, dict[int, Any]] = attrs.field(factory=dict)
    status: Status | None = None

    def curve(self, name: str) -> Mapping[int, float]:
        """A score by epoch."""
        found = {epoch: told.values.get(name) for epoch, told in self.scores.items()}
        return {epoch: value for epoch, value in found.items() if value is not None}


@attrs.frozen(eq=False)
class Memory:
    """A tracker that keeps everything in this process.

    Attributes:
        runs: By id.

    Example:
        >>> Memory().runs
        {}
    """

    runs: dict[str, Told] = attrs.field(factory=dict, init=False)

    @property
    def name(self) -> str:
        """Another one for each: what one has been told, another has not."""
        return f"memory-{id(self.runs):x}"

    def check(self) -> None:
        """There is nothing to import."""

    def open(self, head: Head) -> "_Connection":
        """Find the run again, or begin it."""
        told = self.runs.setdefault(head.id, Told(head))
        told.head = head
        return _Connection(told)


@attrs.frozen(eq=False)
class _Connection:
    told: Told

    def send(self, items: Sequence[Item]) -> None:
        for item in items:
            match item:
                case Scores():
                    self.told.scores[item.epoch] = item
                case Artifact():
                    self.told.artifacts.setdefault(item.name, {})[item.epoch] = item.load()
                case Status():
                    self.told.status = item

    def close(self) -> None:
        pass
