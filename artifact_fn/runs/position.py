"""Position: the whole value of a run between two cuts, as it is saved."""

from typing import Any

import attrs
import torch

from artifact_fn import tree
from artifact_fn.errors import DataError
from artifact_fn.folds.epoch import Epoch
from artifact_fn.runs.storage.checkpoint import Mark
from artifact_fn.training.experiment import HISTORY, Place
from artifact_fn.training.state import TrainState
from artifact_fn.training.statistics import Metrics


@attrs.frozen(eq=False)
class Position:
    """All that a run knows.

    Attributes:
        place: In the stream of epochs.
        carry: Of every fold, by name.
        folds: What each of them is made of, by name (see `compared.fold_digests`).
        last: The last completed epoch, without its state; None before the first.
        selected: What `select` answers, for readers who do not have the experiment.
    """

    place: Place
    carry: dict[str, Any]
    folds: dict[str, str]
    last: Epoch[Any] | None = None
    selected: Any = None

    @property
    def mark(self) -> Mark:
        """Of its checkpoint. Reads the step from the device."""
        return Mark(self.place.completed, self.place.state.steps)

    def value(self) -> dict[str, Any]:
        """What is saved; `of_value` undoes it.

        The history is not: it grows with every epoch, and is in the journal, which is written
        first and which it is folded from again (see `found`).
        """
        place = self.place
        return {
            "state": place.state,
            "completed": place.completed,
            "cursor": place.cursor,
            "metrics": _stacked(place.metrics),
            "elapsed": place.elapsed,
            "carry": {name: kept for name, kept in self.carry.items() if name != HISTORY},
            "folds": self.folds,
            "last": self.last,
            "selected": self.selected,
        }


def of_value(value: dict[str, Any]) -> Position:
    """The position that was saved."""
    place = Place(
        value["state"],
        value["completed"],
        value["cursor"],
        _unstacked(*value["metrics"]),
        value["elapsed"],
    )
    return Position(place, value["carry"], value["folds"], value["last"], value["selected"])


def check_fits(saved: TrainState, fresh: TrainState) -> None:
    """Refuse a saved state that the experiment's step could not take.

    Raises:
        DataError: structure, shapes or dtypes differ; names the first path.
    """
    old, new = _kinds(saved), _kinds(fresh)
    for path in [*new, *(path for path in old if path not in new)]:
        if old.get(path) != new.get(path):
            raise DataError(
                "the saved state does not fit the experiment",
                got=f"{path}: {old.get(path, 'nothing')} saved, {new.get(path, 'nothing')} expected",
                do="resume with the model and optimizer the run was begun with, or begin another",
            )


def _kinds(state: TrainState) -> dict[str, str]:
    return {
        path: f"{leaf.dtype} {list(leaf.shape)}"
        for path, leaf in tree.paths(state).items()
        if isinstance(leaf, torch.Tensor)
    }


def _stacked(parts: tuple[Metrics, ...]) -> tuple[int, Any]:
    """The metrics of many cuts in as many tensors as those of one, in their order.

    They are not merged: a sum of sums rounds otherwise than the sum of all of them.
    """
    if not parts:
        return 0, None
    return len(parts), tree.map(lambda *leaves: torch.stack(leaves), *parts)


def _unstacked(count: int, stacked: Any) -> tuple[Metrics, ...]:
    return tuple(tree.map(lambda leaf, at=i: leaf[at].clone(), stacked) for i in range(count))
